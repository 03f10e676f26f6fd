import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolvePaths } from '../../src/runs/allowedRoots.ts';
import { createRun, resolveText } from '../../src/runs/createRun.ts';
import { gitState } from '../../src/runs/gitState.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import { newRunId, nextCreationTime } from '../../src/runs/runId.ts';
import { isSealed } from '../../src/runs/seal.ts';
import { findStore } from '../../src/runs/store.ts';
import { ownHome, queueRun, recipeText, temporaryFolder, testEngine, testProject } from './testStore.ts';

const home = ownHome();

test('the store is the nearest .holdfast above the recipe, else in the git root, else beside the recipe', () => {
  const root = realpathSync(temporaryFolder('stores'));
  const recipe = join(root, 'a', 'b', 'x.tune.yaml');
  mkdirSync(join(root, 'a', 'b'), { recursive: true });
  assert.equal(findStore(recipe).folder, join(root, 'a', 'b', '.holdfast'));
  mkdirSync(join(root, '.git'));
  assert.equal(findStore(recipe).folder, join(root, '.holdfast'));
  mkdirSync(join(root, 'a', '.holdfast'));
  assert.equal(findStore(recipe).folder, join(root, 'a', '.holdfast'));
  assert.ok(!existsSync(join(root, '.holdfast')), 'looking makes nothing');
});

test('runsFolder keeps the runs of each project apart, and the project stays the root for paths', () => {
  const [one, two] = [testProject(), testProject()];
  const elsewhere = temporaryFolder('elsewhere');
  const stores = [one, two].map(({ recipeFile }) => findStore(recipeFile, { runsFolder: elsewhere }));
  assert.notEqual(stores[0]?.folder, stores[1]?.folder);
  assert.ok(stores.every(store => store.folder.startsWith(elsewhere)));
  assert.equal(stores[0]?.root, one.folder);
});

test('the user’s own ~/.holdfast does not make the home folder a project', () => {
  const home = realpathSync(temporaryFolder('user'));
  const before = process.env.HOLDFAST_HOME;
  process.env.HOLDFAST_HOME = join(home, '.holdfast');
  try {
    mkdirSync(join(home, '.holdfast', 'engines'), { recursive: true });
    mkdirSync(join(home, 'work'));
    assert.equal(findStore(join(home, 'work', 'x.tune.yaml')).folder, join(home, 'work', '.holdfast'));
  } finally {
    process.env.HOLDFAST_HOME = before;
  }
});

test('a store that is a link is refused, and nothing is written through it', async () => {
  const project = testProject();
  const target = temporaryFolder('target');
  symlinkSync(target, join(project.folder, '.holdfast'));
  await assert.rejects(queueRun(project), { code: 'store-is-link' });
  assert.ok(!existsSync(join(target, 'runs')));
});

test('a new run is one sealed run.json with everything that is needed to repeat it', async () => {
  const project = testProject();
  const run = await queueRun(project, {}, { variant: 'replay', overrides: ['train.seed=7'], name: 'mine' });
  const request = await run.request();
  assert.ok(request);
  assert.deepEqual(
    [request.name, request.variant, request.recipeText, request.seeds, request.recipe.train.max_steps],
    ['mine', 'replay', recipeText, { train: 7 }, 20],
  );
  assert.deepEqual(Object.keys(request.paths).sort(), [
    'data/arithmetic.choice.jsonl',
    'data/eval.jsonl',
    'data/general.txt',
    'data/replay.txt',
    'data/train.jsonl',
    'holdfast-tiny',
  ]);
  assert.match(run.id, /^\d{6}-\d{6}-mine-[a-z0-9]{4}$/);
  assert.ok(await isSealed(request, project.store.folder));
  assert.ok(!(await isSealed({ ...request, argv: ['other'] }, project.store.folder)));
  assert.ok(!(await isSealed(request, '/elsewhere/.holdfast')), 'a copied request is not run in another store');
  assert.equal(readFileSync(join(project.store.folder, '.gitignore'), 'utf8'), '*\n');
  assert.match(readFileSync(join(home, 'seal.key'), 'utf8'), /^[0-9a-f]{64}$/);
});

test('a recipe with an error makes no run and names the line', async () => {
  const project = testProject(recipeText.replace('max_steps', 'max_stepz'));
  await assert.rejects(queueRun(project), { code: 'unknown-key', line: 10, file: project.recipeFile });
  assert.ok(!existsSync(project.store.folder));
});

const outside: [string, (project: ReturnType<typeof testProject>) => void, string, string][] = [
  ['an absolute path', () => {}, recipeText.replace('data/train.jsonl', '/etc/hostname'), 'outside-roots'],
  ['a path with ..', () => {}, recipeText.replace('data/train.jsonl', '../../../../etc/hostname'), 'outside-roots'],
  [
    'a link that leads out',
    project => symlinkSync('/etc', join(project.folder, 'data', 'link')),
    recipeText.replace('data/train.jsonl', 'data/link/hostname'),
    'outside-roots',
  ],
  ['a model outside', () => {}, recipeText.replace('model: holdfast-tiny', 'model: /etc'), 'outside-roots'],
  ['a missing file', () => {}, recipeText.replace('data/general.txt', 'data/nothing.txt'), 'file-missing'],
  ['a folder for a file', () => {}, recipeText.replace('data/general.txt', 'data'), 'not-a-file'],
  [
    'a model that is nowhere',
    () => {},
    recipeText.replace('model: holdfast-tiny', 'model: nobody/nothing'),
    'model-not-cached',
  ],
  ['a model name with dots', () => {}, recipeText.replace('model: holdfast-tiny', 'model: ..'), 'outside-roots'],
];

for (const [what, prepare, text, code] of outside) {
  test(`${what} is refused, with the key in the message`, async () => {
    const project = testProject(text);
    prepare(project);
    await assert.rejects(queueRun(project), (error: Error & { code: string }) => {
      assert.equal(error.code, code);
      assert.match(error.message, /^(data\.train|retain\.probes\.general\.file|model): /);
      return true;
    });
  });
}

test('a model is found in the Hugging Face cache by its name, and a folder the machine allows is allowed', () => {
  const project = testProject(recipeText.replace('model: holdfast-tiny', 'model: org/tiny'));
  const cache = realpathSync(temporaryFolder('hub'));
  const snapshot = join(cache, 'models--org--tiny', 'snapshots', 'abc123def');
  mkdirSync(snapshot, { recursive: true });
  mkdirSync(join(cache, 'models--org--tiny', 'refs'));
  writeFileSync(join(cache, 'models--org--tiny', 'refs', 'main'), 'abc123def');
  process.env.HF_HUB_CACHE = cache;
  const roots = { recipeFile: project.recipeFile, storeRoot: project.folder, engineFolder: testEngine() };
  const recipe = resolveText(project.recipeFile, readFileSync(project.recipeFile, 'utf8'), { variant: 'plain' });
  assert.equal(resolvePaths(recipe, roots)['org/tiny'], snapshot);
  const shared = realpathSync(temporaryFolder('shared'));
  const elsewhere = { ...recipe, model: shared, retain: { ...recipe.retain, base: shared } };
  assert.throws(() => resolvePaths(elsewhere, roots), { code: 'outside-roots' });
  assert.equal(resolvePaths(elsewhere, { ...roots, modelRoots: [shared] })[shared], shared);
});

test('ids sort by time and fit a file name, and creation times never repeat', () => {
  const id = newRunId(
    'Ünser Rezept!! with a very long name that goes on and on and on',
    new Date(2026, 10, 21, 9, 5, 7),
  );
  assert.match(id, /^261121-090507-[a-z0-9-]{1,40}-[a-z0-9]{4}$/);
  assert.ok(id.length <= 64);
  const times = Array.from({ length: 100 }, nextCreationTime);
  assert.equal(new Set(times).size, 100);
});

test('the git state holds commit and changes, without secrets and big files', async () => {
  const folder = temporaryFolder('git');
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@b.c', ...args], { stdio: 'pipe' });
  // However slow git is on a busy machine.
  const stateOf = () => gitState(folder, 60_000);
  assert.equal(await stateOf(), null, 'no repository');
  git('init', '-q');
  for (const name of ['a.txt', '.env', 'server.key', 'big.txt', 'odd name.txt'])
    writeFileSync(join(folder, name), 'before\n');
  git('add', '-A');
  git('commit', '-q', '-m', 'first');
  assert.deepEqual(
    { ...(await stateOf()), commit: '', branch: '' },
    { commit: '', branch: '', dirty: false, diff: '', leftOut: [] },
  );
  for (const name of ['a.txt', '.env', 'server.key', 'odd name.txt']) writeFileSync(join(folder, name), 'SECRET\n');
  const state = await stateOf();
  assert.match(state?.commit ?? '', /^[0-9a-f]{40}$/);
  assert.match(state?.diff ?? '', /a\.txt[\s\S]*\+SECRET/);
  assert.doesNotMatch(state?.diff ?? '', /\.env|server\.key/);
  assert.deepEqual(state?.leftOut.sort(), ['.env', 'server.key']);
  writeFileSync(join(folder, 'big.txt'), 'x'.repeat(2 * 1024 * 1024));
  assert.ok((await stateOf())?.leftOut.includes('big.txt'));
  writeFileSync(join(folder, '.gitattributes'), 'a.txt diff=evil\n');
  git('config', 'diff.evil.command', 'touch stolen');
  await stateOf();
  assert.ok(!existsSync(join(folder, 'stolen')), 'a repository’s own diff programs are not run');
});

test('the Node that runs is chosen with a reason, and one that does not run is refused', async () => {
  assert.match((await chooseNode()).reason, /the Node that runs this program/);
  assert.match((await chooseNode(process.execPath)).reason, /holdfast\.nodePath \(\d+/);
  await assert.rejects(chooseNode('/nonexistent/node'), { code: 'node-unusable' });
  await assert.rejects(chooseNode('/bin/true'), { code: 'node-unusable' });
});

test('a run can be made from text that is not saved', async () => {
  const project = testProject();
  const text = recipeText.replace('max_steps: 20', 'max_steps: 3');
  const run = await createRun({
    recipeFile: project.recipeFile,
    recipeText: text,
    variant: 'plain',
    engineFolder: testEngine(),
  });
  assert.equal((await run.request())?.recipe.train.max_steps, 3);
});
