/**
 * Lays out the extension as it ships: bundles, the runtime with one platform's binaries, the model, the examples. What a VSIX
 * holds and what the editor tests install are this folder.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { checkout } from '../test/vscode/places.ts';
import { notices } from './notices.ts';

/** Platforms for which onnxruntime-node carries binaries. */
export const targets = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];
export const thisTarget = `${process.platform}-${process.arch}`;

const documents = ['README.md', 'CHANGELOG.md', 'LICENSE'];
const folders = ['media', 'l10n', 'models', 'examples'];
/** Only for people who build the extension, or only for its listing. */
const notShipped = ['scripts', 'devDependencies', 'private'];

export function stage(target: string, folder: string): void {
  if (!targets.includes(target)) {
    throw new Error(`No runtime binaries for ${target}. There are: ${targets.join(', ')}`);
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const list = `${folder}.bundled.json`;
  const build = ['esbuild.mjs', '--minify', `--outdir=${path.join(folder, 'dist')}`, `--list=${list}`];
  execFileSync(process.execPath, build, { cwd: checkout, stdio: 'inherit' });

  writeManifest(folder);
  const nls = readdirSync(checkout).filter(name => /^package\.nls.*\.json$/.test(name));
  for (const name of [...documents, ...nls, ...folders]) {
    const source = path.join(checkout, name);
    if (existsSync(source)) cpSync(source, path.join(folder, name), { recursive: true, filter: ships });
  }
  const runtime = stageRuntime(target, path.join(folder, 'node_modules'));
  const bundled: string[] = JSON.parse(readFileSync(list, 'utf8'));
  writeFileSync(path.join(folder, 'ThirdPartyNotices.txt'), notices([...bundled, ...runtime]));
}

function writeManifest(folder: string): void {
  const manifest = JSON.parse(readFileSync(path.join(checkout, 'package.json'), 'utf8'));
  for (const key of notShipped) delete manifest[key];
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Runs of the examples stay at home, and so do hidden files. */
function ships(source: string): boolean {
  return !path.basename(source).startsWith('.') && !source.endsWith('.map');
}

/** onnxruntime-node without its installer and without the binaries of other platforms. Gives the folders of its packages. */
function stageRuntime(target: string, modules: string): string[] {
  const [platform = '', arch = ''] = target.split('-');
  const binaries = /[\\/]bin[\\/]napi-v\d+[\\/]([^\\/]+)(?:[\\/]([^\\/]+))?/;
  const wanted = (source: string) => {
    const match = binaries.exec(source);
    if (match) return match[1] === platform && (match[2] === undefined || match[2] === arch);
    return !source.endsWith('.map') && !source.endsWith('.d.ts');
  };
  const from = path.join(checkout, 'node_modules');
  const runtime = path.join(modules, 'onnxruntime-node');
  for (const part of ['bin', 'dist', 'README.md']) {
    cpSync(path.join(from, 'onnxruntime-node', part), path.join(runtime, part), { recursive: true, filter: wanted });
  }
  // Its other dependencies belong to the installer that is left out.
  const manifest = JSON.parse(readFileSync(path.join(from, 'onnxruntime-node/package.json'), 'utf8'));
  manifest.dependencies = { 'onnxruntime-common': manifest.dependencies['onnxruntime-common'] };
  manifest.scripts = undefined;
  manifest.devDependencies = undefined;
  writeFileSync(path.join(runtime, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);

  for (const part of ['dist/cjs', 'package.json', 'README.md']) {
    const source = path.join(from, 'onnxruntime-common', part);
    cpSync(source, path.join(modules, 'onnxruntime-common', part), { recursive: true, filter: wanted });
  }
  return ['node_modules/onnxruntime-node', 'node_modules/onnxruntime-common'];
}
