import assert from 'node:assert/strict';
import { appendFileSync, cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { ended, ownHome, startRun, type TestProject, temporaryFolder, testProject } from '../runs/testStore.ts';
import { holdfast as commandLine, type Outcome } from './commandLine.ts';

ownHome();

const holdfast = (project: TestProject, ...words: string[]): Promise<Outcome> => commandLine(project, words);

const json = async (project: TestProject, ...words: string[]) => {
  const { stdout, stderr } = await holdfast(project, ...words, '--json');
  assert.ok(stdout, stderr);
  return JSON.parse(stdout);
};

async function finishedRun(): Promise<{ project: TestProject; run: RunFolder }> {
  const project = testProject();
  const run = await startRun(project, { steps: 40 });
  await ended(run);
  return { project, run };
}

test('what is said of a run in a file that is damaged is not written over; the remedy names what deleting it takes', async () => {
  const { project, run } = await finishedRun();
  writeFileSync(run.userJson, '{"name": "my be');
  const { code, stderr } = await holdfast(project, 'edit', run.id, '--star');
  assert.equal(code, 2);
  assert.match(stderr, /user\.json is not JSON\n {2}Mend it, or delete it: the run then has the name of its recipe/);
  assert.equal(readFileSync(run.userJson, 'utf8'), '{"name": "my be');
});

test('edit names, tags, stars, colours, notes and hides a run, and ls finds it by each', async () => {
  const { project, run } = await finishedRun();
  const words = [
    '--name',
    'my best',
    '--tag',
    '#good',
    '--star',
    '--colour',
    '3',
    '--note',
    'The adapter was too small.',
  ];
  assert.deepEqual(await json(project, 'edit', 'last', ...words), [
    { id: run.id, name: 'my best', tags: ['good'], star: true, colour: 2 },
  ]);
  assert.equal(readFileSync(run.notes, 'utf8'), 'The adapter was too small.\n');
  const found = async (...words: string[]) => (await json(project, 'ls', ...words)).length;
  for (const words of [['my BEST'], ['starred'], ['adapter small'], ['#go'], ['finished plain']]) {
    assert.equal(await found('--search', ...words), 1, words.join());
  }
  assert.equal(await found('--search', 'my worst'), 0);
  assert.equal(await found('--tag', 'good'), 1);
  await holdfast(
    project,
    'edit',
    run.id,
    '--hide',
    '--unstar',
    '--untag',
    'good',
    '--colour',
    'none',
    '--note',
    'Second.',
  );
  assert.deepEqual([await found(), await found('--all'), await found('--all', '--tag', 'good')], [0, 1, 0]);
  assert.equal(readFileSync(run.notes, 'utf8'), 'The adapter was too small.\n\nSecond.\n');
  const { stdout } = await holdfast(project, 'ls', '--all');
  assert.match(stdout, /my best \(hidden\)/);
});

test('an edit that is refused writes no part of itself, and a name is one line', async () => {
  const { project, run } = await finishedRun();
  const { code } = await holdfast(project, 'edit', run.id, '--note', 'Said once.', '--tag', 'x'.repeat(65));
  assert.equal(code, 2);
  assert.ok(!existsSync(run.notes));
  assert.equal((await json(project, 'edit', run.id, '--name', 'two\n lines'))[0].name, 'two lines');
});

test('edit without a change, and with ones that exclude each other, is refused with the usage', async () => {
  const { project } = await finishedRun();
  for (const words of [[], ['--star', '--unstar'], ['--colour', '9'], ['--colour', 'red']]) {
    const { code, stderr } = await holdfast(project, 'edit', 'last', ...words);
    assert.equal(code, 2, stderr);
  }
  assert.equal((await holdfast(project, 'edit', '--star')).code, 2);
});

test('rm moves to the trash, --undo brings back, --empty-trash frees', async () => {
  const { project, run } = await finishedRun();
  assert.deepEqual(await json(project, 'rm', run.id), { deleted: [run.id] });
  assert.deepEqual(await json(project, 'ls'), []);
  assert.equal((await json(project, 'rm', '--trash'))[0].id, run.id);
  assert.deepEqual(await json(project, 'rm', '--undo'), { restored: [run.id] });
  assert.equal((await json(project, 'ls')).length, 1);
  await holdfast(project, 'rm', 'last');
  const emptied = await json(project, 'rm', '--empty-trash');
  assert.deepEqual(emptied.deleted, [run.id]);
  assert.ok(emptied.bytes > 0);
  const nothing = await holdfast(project, 'rm', '--undo');
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /The trash is empty/);
});

test('an empty word names no run, not even the only one', async () => {
  const { project, run } = await finishedRun();
  for (const words of [
    ['rm', ''],
    ['show', ' '],
    ['edit', '', '--hide'],
  ]) {
    const { code, stderr } = await holdfast(project, ...words);
    assert.equal(code, 2, words.join());
    assert.match(stderr, /RUN is empty\n.*holdfast ls/);
  }
  await holdfast(project, 'rm', run.id);
  assert.equal((await holdfast(project, 'rm', '--undo', '')).code, 2);
  assert.equal((await json(project, 'rm', '--trash'))[0].id, run.id);
});

test('ls --sizes and clean agree on what a checkpoint takes', async () => {
  const { project, run } = await finishedRun();
  assert.match((await holdfast(project, 'ls', '--sizes')).stdout, /a1-step-20 +\d+/);
  const [{ checkpoints }] = await json(project, 'ls');
  const [planned] = await json(project, 'clean', 'last', '--keep', 'last', '--dry-run');
  assert.deepEqual(planned.removed, []);
  const [{ removed, kept, bytes, id }] = await json(project, 'clean', 'last', '--keep', 'last');
  assert.deepEqual([id, removed, kept], [run.id, planned.wouldRemove, ['a1-step-40']]);
  const told = (checkpoints as { folder: string; bytes: number }[]).filter(({ folder }) => removed.includes(folder));
  assert.equal(
    bytes,
    told.reduce((sum, checkpoint) => sum + checkpoint.bytes, 0),
  );
  assert.equal((await holdfast(project, 'clean', 'last', '--keep', 'worst')).code, 2);
});

test('import takes a copied run, says what stayed behind, and it is never started again', async () => {
  const { run } = await finishedRun();
  const copy = join(temporaryFolder('copied'), 'run');
  cpSync(run.folder, copy, { recursive: true });
  cpSync(run.runJson, join(copy, 'model.pkl'));
  const project = testProject();
  const [{ id, leftOut }] = await json(project, 'import', copy);
  assert.equal(id, run.id);
  assert.deepEqual(leftOut, ['model.pkl: no part of a run']);
  assert.equal((await json(project, 'show', id)).status, 'finished');
  assert.equal((await json(project, 'rerun', id)).error.code, 'not-ours');
});

test('rerun goes on at once when nothing has changed, and wants to be told which recipe when it has', async () => {
  const { project, run } = await finishedRun();
  const again = await json(project, 'rerun', run.id);
  assert.deepEqual([again.status, again.variant], ['finished', 'plain']);
  appendFileSync(project.recipeFile, '# changed since\n');
  const refused = await holdfast(project, 'rerun', run.id);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /has changed since the run\n.*--as-it-ran or --as-it-is/);
  const now = await json(project, 'rerun', run.id, '--as-it-is', '--detach');
  assert.equal(now.status, 'queued');
  const request = JSON.parse(readFileSync(join(now.folder, 'run.json'), 'utf8'));
  assert.match(request.recipeText, /# changed since/);
  await ended(project.store.run(now.id));
});
