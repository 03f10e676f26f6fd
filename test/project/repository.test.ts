/** What must not get into the repository, and what its bundles must not hold. Reads files, runs nothing but `git ls-files`. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const self = 'test/project/repository.test.ts';
const inGit = existsSync('.git');
const noGit = inGit ? false : 'not a git checkout';
const tracked = inGit ? execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0').filter(Boolean) : [];
const texts = tracked.filter(
  file => existsSync(file) && /\.(ts|mjs|js|css|json|md|yaml|yml|py|sh|html)$/.test(file) && file !== self,
);

test('no file names a place on the machine it was written on', { skip: noGit }, () => {
  assert.deepEqual(linesWith(/(^|["'`\s(])\/(work|root|home\/\w+|Users\/\w+)\//), []);
});

test('no file holds an unfinished thought or a conflict', { skip: noGit }, () => {
  assert.deepEqual(linesWith(/\b(TODO|FIXME|XXX)\b|^(<{7}|>{7}) /), []);
});

test('no test is switched off or alone', { skip: noGit }, () => {
  const tests = texts.filter(file => file.startsWith('test/'));
  assert.deepEqual(linesWith(/\b(test|suite|describe|it)\.only\(|\bskip: true\b/, tests), []);
});

test('locks name no registry but the public one', { skip: noGit }, () => {
  const locks = tracked.filter(file => file.endsWith('package-lock.json'));
  assert.equal(locks.length, 2);
  assert.deepEqual(linesWith(/"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/, locks), []);
});

test('the repository holds no file over 8 MB', { skip: noGit }, () => {
  assert.deepEqual(
    tracked.filter(file => existsSync(file) && statSync(file).size > 8e6),
    [],
  );
});

test('pages hold no eval, load nothing from elsewhere', () => {
  const pages = filesBelow('dist/webview').filter(file => file.endsWith('.js'));
  assert.ok(pages.length >= 4);
  for (const page of pages) {
    // The toolkit's way to find the global object in browsers without globalThis: written down, never run.
    const text = readFileSync(page, 'utf8').replaceAll(/new Function\(["']return this["']\)/g, '');
    assert.doesNotMatch(text, /\beval\(|\bnew Function\(|\bimportScripts\(/, page);
    assert.doesNotMatch(text, /\bnew (WebSocket|EventSource|XMLHttpRequest)\(|\bfetch\(/, page);
  }
});

test('programs hold no listening socket and no VS Code', () => {
  for (const name of ['runner', 'trainer', 'command', 'cli']) {
    const text = readFileSync(`dist/${name}.cjs`, 'utf8');
    assert.doesNotMatch(text, /require\("vscode"\)/, name);
    assert.doesNotMatch(text, /\bcreateServer\(|\.listen\(/, name);
  }
  const extension = readFileSync('dist/extension.cjs', 'utf8');
  assert.doesNotMatch(extension, /require\("onnxruntime-node"\)/);
  assert.doesNotMatch(extension, /\bcreateServer\(|\.listen\(/);
});

function linesWith(pattern: RegExp, files = texts): string[] {
  return files.flatMap(file =>
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1} ${line.trim().slice(0, 100)}`] : [])),
  );
}

function filesBelow(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).map(name => path.join(folder, name));
}
