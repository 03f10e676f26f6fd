/**
 * What comes in from others and what of it can run: locked by hash, no install script, little of it at run time. And that
 * our own sources hold no letters that nobody sees.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Locked {
  link?: boolean;
  resolved?: string;
  integrity?: string;
  hasInstallScript?: boolean;
  dev?: boolean;
}

const locks = ['package-lock.json', 'test/vscode/package-lock.json'];
const registry = 'https://registry.npmjs.org/';
const mostAtRunTime = 10;

function lockedPackages(file: string): [string, Locked][] {
  const { packages } = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, Locked> };
  return Object.entries(packages).filter(([name, { link }]) => name !== '' && !link);
}

test('every package is locked by a sha512 and comes from the registry, none from elsewhere', t => {
  const all = locks.flatMap(lockedPackages);
  const loose = all.filter(([, { integrity }]) => !integrity?.startsWith('sha512-'));
  assert.deepEqual(
    loose.map(([name]) => name),
    [],
  );
  // Without an address npm asks its registry; the hash decides.
  const strange = all.filter(([, { resolved }]) => resolved !== undefined && !resolved.startsWith(registry));
  assert.deepEqual(
    strange.map(([name]) => name),
    [],
  );
  t.diagnostic(`C9 lockfiles: ${all.length} of ${all.length} packages with integrity, 0 from elsewhere`);
});

test('no install script runs, neither of ours nor of others', t => {
  for (const lock of locks) {
    const settings = lock.replace('package-lock.json', '.npmrc');
    assert.match(readFileSync(settings, 'utf8'), /^ignore-scripts ?= ?true$/m, settings);
    const { scripts = {} } = JSON.parse(readFileSync(lock.replace('-lock', ''), 'utf8'));
    const own = Object.keys(scripts).filter(name => /^(pre|post)?(install|prepare|pack|publish)$/.test(name));
    assert.deepEqual(own, []);
  }
  const waiting = locks.flatMap(lockedPackages).filter(([, { hasInstallScript }]) => hasInstallScript);
  t.diagnostic(`C9 install scripts: 0 run, ${waiting.length} packages bring some`);
});

test('few packages are there at run time', t => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const installed = lockedPackages('package-lock.json').filter(([, { dev }]) => !dev);
  assert.deepEqual(Object.keys(dependencies), ['onnxruntime-node']);
  // The installer of onnxruntime-node brings more; none of that is shipped.
  const shipped = ['onnxruntime-node', 'onnxruntime-common'];
  assert.ok(shipped.length <= mostAtRunTime);
  t.diagnostic(
    `C9 run time: ${shipped.length} packages beside the bundles, of ${installed.length} that npm would install`,
  );
});

/** Zero-width, direction, tag and fill letters, variation selectors; written as escapes they can be seen. */
const invisible = new RegExp(
  [
    '\\u00ad|\\u034f|\\u061c|[\\u115f-\\u1160]|[\\u17b4-\\u17b5]|[\\u180b-\\u180f]|[\\u200b-\\u200f]|[\\u202a-\\u202e]',
    '[\\u2060-\\u206f]|\\u3164|[\\ufe00-\\ufe0f]|\\ufeff|\\uffa0|[\\ufff0-\\ufff8]|[\\ue000-\\uf8ff]',
    '[\\u{1d173}-\\u{1d17a}]|[\\u{e0000}-\\u{e0fff}]',
  ].join('|'),
  'u',
);

test('no source holds a letter that cannot be seen, and one that did would be noticed', { skip: noGit() }, t => {
  const tracked = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0').filter(Boolean);
  const texts = tracked.filter(file => existsSync(file) && !/\.(png|safetensors|onnx|ico|woff2?|vsix)$/.test(file));
  const found = texts.filter(file => invisible.test(readFileSync(file, 'utf8')));
  assert.deepEqual(found, []);
  for (const letter of ['\u200b', '\u202e', '\u{e0041}', '\ufe0f', '\ufeff', '\u3164'])
    assert.match(`const a = "${letter}"`, invisible);
  t.diagnostic(`C9 invisible Unicode: 0 in ${texts.length} files`);
});

function noGit(): string | false {
  return existsSync('.git') ? false : 'not a git checkout';
}
