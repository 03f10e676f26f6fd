/** Changes only when the same recipe on the same machine would give other numbers. A resume compares it. */
export const numericsVersion = 'node-4';
export const engineName = 'node';
