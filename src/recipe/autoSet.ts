/** What the texts that the base writes are called in results: `retain: auto`. No set of a file may be called so. */
export const autoSet = 'auto';
