/** The licences of what ships inside our bundles, as their authors ask. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { checkout } from '../test/vscode/places.ts';

/** `packages` = folders below the checkout. A package without a licence file is named with the licence its manifest states. */
export function notices(packages: string[]): string {
  const parts = packages.map(folder => {
    const absolute = path.join(checkout, folder);
    const { name, version, license } = JSON.parse(readFileSync(path.join(absolute, 'package.json'), 'utf8'));
    if (!license) throw new Error(`${folder} states no licence`);
    const file = readdirSync(absolute).find(entry => /^licen[cs]e/i.test(entry));
    const text = file ? readFileSync(path.join(absolute, file), 'utf8').trim() : `Licence: ${license}`;
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  return `Holdfast contains code of these packages.\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}
