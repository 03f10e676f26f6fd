/**
 * Words of the pages. The English sentence is the key, as in `vscode.l10n`; the host sends translations with the first
 * state. `{0}` stands for the first argument.
 */
let translations: Record<string, string> = {};

export function useStrings(strings: Record<string, string>): void {
  translations = strings;
}

export function t(message: string, ...args: (string | number)[]): string {
  const text = Object.hasOwn(translations, message) ? translations[message]! : message;
  return text.replace(/\{(\d+)\}/g, (whole, index) => String(args[Number(index)] ?? whole));
}
