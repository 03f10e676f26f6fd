/** Changes only when the same recipe on the same machine would give other numbers. A resume compares it. */
export const numericsVersion = 'node-1';
export const engineName = 'node';
