/** A program with its arguments as one reads it: words with blanks in quotes. It is shown, never given to a shell. */
export const shownCommand = (words: readonly string[]): string =>
  words.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
