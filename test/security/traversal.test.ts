/** Paths that want out: of recipes, of run ids, of what pages and journals name. None of them is followed. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { test } from 'node:test';
import { fromPageSchema, pageMemorySchema } from '../../src/protocol/panel.ts';
import { parseRecipe } from '../../src/recipe/parse.ts';
import { resolveRecipe } from '../../src/recipe/resolve.ts';
import { resolvePaths } from '../../src/runs/allowedRoots.ts';
import { RunsError } from '../../src/runs/runsError.ts';
import { findStore, Store } from '../../src/runs/store.ts';
import { ownHome, temporaryFolder, testEngine, testProject } from '../runs/testStore.ts';

ownHome();

const project = testProject();
const outside = temporaryFolder('outside');
writeFileSync(join(outside, 'secret.jsonl'), '{"text":"secret"}\n');
mkdirSync(join(outside, 'model'));
for (const name of ['config.json', 'tokenizer.json', 'model.safetensors'])
  writeFileSync(join(outside, 'model', name), '{}');
const at = (name: string) => join(project.folder, name);
symlinkSync(join(outside, 'secret.jsonl'), at('link.jsonl'));
symlinkSync(at('link.jsonl'), at('link-to-link.jsonl'));
symlinkSync(outside, at('linked-folder'));
symlinkSync('../', at('up'));
mkdirSync(at('.hidden'));
symlinkSync(join(outside, 'model'), at('linked-model'));
mkdirSync(at('model-of-links'));
for (const name of ['config.json', 'tokenizer.json', 'model.safetensors'])
  symlinkSync(join(outside, 'model', name), at(join('model-of-links', name)));

const ups = '../'.repeat(24);
const base = outside.split(sep).at(-1);
const traversals = [
  `../${base}/secret.jsonl`,
  `./../${base}/secret.jsonl`,
  `data/../../${base}/secret.jsonl`,
  `data/./.././../${base}/secret.jsonl`,
  `data//..//..//${base}//secret.jsonl`,
  `${ups}etc/passwd`,
  `data/${ups}etc/passwd`,
  `.hidden/../../${base}/secret.jsonl`,
  '/etc/passwd',
  '//etc/passwd',
  '///etc//passwd',
  '/etc/../etc/passwd',
  '/proc/self/environ',
  '/proc/self/root/etc/passwd',
  '/proc/self/cwd/package.json',
  '/proc/self/fd/0',
  '/dev/zero',
  '/dev/stdin',
  '/dev/fd/0',
  join(outside, 'secret.jsonl'),
  `${outside}/./secret.jsonl`,
  `${outside}//secret.jsonl`,
  'link.jsonl',
  'link-to-link.jsonl',
  './link.jsonl',
  'data/../link.jsonl',
  'linked-folder/secret.jsonl',
  'linked-folder/../etc/passwd',
  'up/etc/passwd',
  `up/${base}/secret.jsonl`,
  '~/.ssh/id_rsa',
  '~root/.bashrc',
  '$HOME/.ssh/id_rsa',
  '%USERPROFILE%\\.ssh\\id_rsa',
  '..\\..\\secret.jsonl',
  `..\\${base}\\secret.jsonl`,
  'data\\..\\..\\secret.jsonl',
  'C:\\Windows\\win.ini',
  'C:/Windows/win.ini',
  'c:secret.jsonl',
  '\\\\server\\share\\secret.jsonl',
  '//server/share/secret.jsonl',
  '\\\\?\\C:\\Windows\\win.ini',
  '\\\\.\\PhysicalDrive0',
  '\\\\.\\pipe\\holdfast',
  '\\??\\C:\\Windows\\win.ini',
  'file:///etc/passwd',
  'file://server/share/secret.jsonl',
  'http://127.0.0.1/secret.jsonl',
  'https://example.com/secret.jsonl',
  'data:text/plain,secret',
  '%2e%2e/secret.jsonl',
  '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
  '..%2fsecret.jsonl',
  '..%252fsecret.jsonl',
  '..%c0%afsecret.jsonl',
  '\u2025/secret.jsonl',
  '\uff0e\uff0e/secret.jsonl',
  '..\u2215secret.jsonl',
  '..\u2044secret.jsonl',
  'data/train.jsonl\u0000.txt',
  `\u0000/../${base}/secret.jsonl`,
  `${outside}/secret.jsonl\u0000`,
  'data/train.jsonl/../../../etc/passwd',
  'data/train.jsonl/',
  'data',
  '.',
  '..',
  '/',
  ' ',
  'CON',
  'NUL',
  'nul.jsonl',
  'COM1',
  'aux.jsonl',
  'data/train.jsonl::$DATA',
  'data/TRAIN.JSONL',
  'data/train.jsonl.',
  'data/train.jsonl ',
  '-rf',
];

const engineFolder = testEngine();
const roots = { recipeFile: project.recipeFile, storeRoot: project.store.root, engineFolder };

/** The same path as each key of a recipe that names one. */
function recipesWith(path: string): string[] {
  const quoted = JSON.stringify(path);
  const head = 'model: holdfast-tiny\n';
  const data = 'data: { train: data/train.jsonl }\n';
  return [
    `${head}data: { train: ${quoted} }\n`,
    `${head}data: { train: data/train.jsonl, eval: ${quoted} }\n`,
    `${head}${data}retain: { probes: { p: { file: ${quoted} } } }\n`,
    `${head}${data}method: { replay: { data: ${quoted} } }\n`,
    `model: ${quoted}\n${data}`,
  ];
}

test(`${traversals.length} traversal strings lead nowhere from any key of a recipe`, t => {
  assert.equal(traversals.length, 80);
  let tried = 0;
  const escapes: string[] = [];
  for (const path of traversals) {
    for (const text of recipesWith(path)) {
      tried += 1;
      const { recipe } = parseRecipe(text);
      if (!recipe) continue;
      const resolved = resolveRecipe(recipe, { variant: 'as-written', fileName: 'test.tune.yaml' });
      try {
        const files = Object.values(resolvePaths(resolved, roots));
        const isInside = (file: string) =>
          [project.folder, engineFolder].some(root => (file + sep).startsWith(root + sep));
        escapes.push(...files.filter(file => !isInside(file)).map(file => `${JSON.stringify(path)} → ${file}`));
      } catch (error) {
        assert.ok(error instanceof RunsError, `${JSON.stringify(path)}: ${String(error)}`);
        assert.ok(error.code, path);
      }
    }
  }
  assert.deepEqual(escapes, []);
  t.diagnostic(`C6 ${traversals.length} traversal strings in 5 keys: ${tried} tries, ${escapes.length} escapes`);
});

test('a model folder whose files are links out of the project is refused', () => {
  const { recipe } = parseRecipe('model: model-of-links\ndata: { train: data/train.jsonl }\n');
  assert.ok(recipe);
  const resolved = resolveRecipe(recipe, { variant: 'as-written', fileName: 'test.tune.yaml' });
  assert.throws(() => resolvePaths(resolved, roots), { code: 'outside-roots' });
});

test('a folder of data and a pattern are taken within the project, and refused where a link leads out of it', () => {
  const pathsOf = (train: string) => {
    const { recipe } = parseRecipe(`model: holdfast-tiny\ndata: { train: ${JSON.stringify(train)} }\n`);
    assert.ok(recipe);
    const resolved = resolveRecipe(recipe, { variant: 'as-written', fileName: 'test.tune.yaml' });
    return resolvePaths(resolved, roots)[train];
  };
  assert.equal(pathsOf('data'), at('data'));
  assert.equal(pathsOf('data/*.jsonl'), at(join('data', '*.jsonl')));
  mkdirSync(at('data-of-links'));
  symlinkSync(join(outside, 'secret.jsonl'), at(join('data-of-links', 'rows.jsonl')));
  for (const train of ['linked-folder', 'linked-folder/*.jsonl', 'data-of-links', 'data-of-links/*', `../${base}/*`]) {
    assert.throws(() => pathsOf(train), { code: 'outside-roots' }, train);
  }
});

test('none of them is a run id, to the store or to a page', () => {
  const store = new Store(project.folder, join(project.folder, '.holdfast'));
  const ids = traversals.filter(path => !/^[a-z0-9-]+$/.test(path));
  for (const path of [...ids, '../runs', 'a/b', 'A', 'a.b', 'x'.repeat(65), '']) {
    assert.throws(() => store.run(path), { code: 'unknown-run' }, path);
    const command = { type: 'command', command: 'openRun', run: path };
    assert.equal(fromPageSchema.safeParse(command).success, false, path);
    assert.equal(pageMemorySchema.safeParse({ page: 'run', runs: [path], view: {} }).success, false, path);
  }
  for (const device of ['con', 'nul', 'prn', 'aux', 'com1', 'lpt9']) {
    assert.throws(() => store.run(device), { code: 'unknown-run' }, `${device} is a device on Windows`);
  }
});

test('a store that is a link is not followed, and links in it are no runs', async () => {
  const other = testProject();
  symlinkSync(outside, join(other.folder, '.holdfast'));
  const linked = findStore(other.recipeFile);
  await assert.rejects(new Store(other.folder, join(other.folder, '.holdfast')).prepare(), { code: 'store-is-link' });
  assert.deepEqual(await linked.runIds(), []);

  const third = testProject();
  mkdirSync(join(third.folder, '.holdfast', 'runs'), { recursive: true });
  symlinkSync(outside, join(third.folder, '.holdfast', 'runs', '261121-120000-linked-abcd'));
  assert.deepEqual(await findStore(third.recipeFile).runIds(), []);
});
