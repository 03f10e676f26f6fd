/**
 * Makes a VSIX for this platform, or for the one named. With SOURCE_DATE_EPOCH set, two builds of one commit are equal byte
 * by byte.
 * usage: npm run package [-- --target linux-x64] [-- --out FILE.vsix]
 */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createVSIX } from '@vscode/vsce';
import { checkout } from '../test/vscode/places.ts';
import { stage, thisTarget } from './stage.ts';

const { values } = parseArgs({
  options: { target: { type: 'string', default: thisTarget }, out: { type: 'string' } },
});
const { version } = JSON.parse(readFileSync(path.join(checkout, 'package.json'), 'utf8'));
const target = values.target;
const file = path.resolve(values.out ?? path.join(checkout, 'out', `holdfast-${target}-${version}.vsix`));
const folder = path.join(checkout, 'out/stage', target);

stage(target, folder);
mkdirSync(path.dirname(file), { recursive: true });
// The archive stores local times.
process.env.TZ = 'UTC';
await createVSIX({
  cwd: folder,
  packagePath: file,
  target,
  dependencies: true,
  allowMissingRepository: true,
  rewriteRelativeLinks: false,
});
console.log(`${path.relative(process.cwd(), file)}: ${(statSync(file).size / 1e6).toFixed(1)} MB`);
