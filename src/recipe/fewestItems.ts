/** Under so many items a verdict is always "cannot tell": intervals of fewer say too little. */
export const fewestItems = 50;
