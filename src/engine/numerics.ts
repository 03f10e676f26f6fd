/** Changes only when the same recipe on the same machine would give other numbers. A resume compares it. */
export const numericsVersion = 'node-2';
export const engineName = 'node';
