/**
 * Collects what the extension and its pages say into l10n/bundle.l10n.json, for translators: a sentence is its own key.
 * usage: tsx scripts/strings.ts [--check]    --check changes nothing and fails when the bundle is stale
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
export const bundleFile = path.join(checkout, 'l10n/bundle.l10n.json');

/** `t('…')`, `vscode.l10n.t("…")` and `translate('…')` with a literal; names of words that are computed are literals elsewhere. */
const call = /(?<![\w.])(?:vscode\.l10n\.t|t|translate)\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`([^`$\\]*)`)/g;

export function collectStrings(): Record<string, string> {
  const found = new Set<string>();
  for (const folder of ['src/host', 'src/domain', 'webview']) {
    for (const name of readdirSync(path.join(checkout, folder), { recursive: true }) as string[]) {
      if (!name.endsWith('.ts')) continue;
      const text = readFileSync(path.join(checkout, folder, name), 'utf8');
      for (const [, single, double, template] of text.matchAll(call)) {
        const literal = single?.replace(/\\'/g, "'") ?? double?.replace(/\\"/g, '"') ?? template ?? '';
        if (/[a-z]/i.test(literal.replace(/\{\d+\}/g, ''))) found.add(literal.replaceAll('\\n', '\n'));
      }
    }
  }
  return Object.fromEntries([...found].sort().map(text => [text, text]));
}

export const bundleText = (): string => `${JSON.stringify(collectStrings(), null, 2)}\n`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const isFresh = readFileSync(bundleFile, 'utf8') === bundleText();
  if (!process.argv.includes('--check')) writeFileSync(bundleFile, bundleText());
  else if (!isFresh) {
    console.error('l10n/bundle.l10n.json is stale: run npm run strings');
    process.exitCode = 1;
  }
}
