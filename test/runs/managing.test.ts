import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { addNote, hasNotes, makeNotes } from '../../src/runs/notes.ts';
import { RunIndex } from '../../src/runs/runIndex.ts';
import { statusOf } from '../../src/runs/status.ts';
import { emptyTrash, restoreRun, trashedRuns, trashRun } from '../../src/runs/trash.ts';
import { changeUser } from '../../src/runs/userChoices.ts';
import { ended, launch, ownHome, queueRun, startRun, temporaryFolder, testProject, until } from './testStore.ts';

ownHome();

test('name, tags, star, colour and hidden are kept in the folder of the run, and taken back one by one', async () => {
  const project = testProject();
  const run = await queueRun(project);
  const listed = async () => (await (await RunIndex.open(project.store, { mayWrite: true })).refresh())[0];
  await changeUser(project.store, [run], { name: ' my best ', star: true, colour: 3, addTags: ['#good', 'two words'] });
  const { name, star, colour, tags, hidden } = (await listed())!;
  assert.deepEqual(
    { name, star, colour, tags, hidden },
    {
      name: 'my best',
      star: true,
      colour: 3,
      tags: ['good', 'two-words'],
      hidden: false,
    },
  );
  await changeUser(project.store, [run], { name: null, star: false, colour: null, hidden: true, removeTags: ['good'] });
  assert.deepEqual(JSON.parse(readFileSync(run.userJson, 'utf8')), { hidden: true, tags: ['two-words'] });
  assert.equal((await listed())?.name, 'test');
});

test('a colour, a tag or a name that cannot be is refused in words and changes nothing', async () => {
  const project = testProject();
  const run = await queueRun(project);
  for (const change of [{ colour: 8 }, { addTags: ['#'] }, { name: 'x'.repeat(257) }, { addTags: ['x'.repeat(65)] }]) {
    await assert.rejects(changeUser(project.store, [run], change), { code: 'wrong-use' });
  }
  assert.ok(!existsSync(run.userJson));
});

test('a change is seen by whoever lists the runs, without looking into each folder', async () => {
  const project = testProject();
  const run = await queueRun(project);
  const { statSync } = await import('node:fs');
  const seen = new Set<number>();
  for (let number = 0; number < 20; number++) {
    seen.add(statSync(project.store.runsFolder).mtimeMs);
    await changeUser(project.store, [run], { addTags: [`t${number}`] });
  }
  assert.equal(seen.size, 20);
});

test('notes that are edited in place and checkpoints that go are noticed', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 20 });
  await ended(run);
  const index = await RunIndex.open(project.store, { mayWrite: true });
  writeFileSync(run.notes, 'first thought');
  assert.equal((await index.refresh())[0]?.notes, 'first thought');
  writeFileSync(run.notes, 'second thought');
  assert.equal((await index.refresh())[0]?.notes, 'second thought');
});

test('a deleted run is out of the list and comes back whole', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 2 });
  await ended(run);
  const before = readdirSync(run.folder).sort();
  await trashRun(project.store, run);
  assert.deepEqual(await project.store.runIds(), []);
  assert.deepEqual(
    (await trashedRuns(project.store)).map(({ id }) => id),
    [run.id],
  );
  await restoreRun(project.store, run.id);
  assert.deepEqual(readdirSync(run.folder).sort(), before);
  assert.equal((await statusOf(run)).status, 'finished');
  await trashRun(project.store, run);
  const [emptied] = await emptyTrash(project.store);
  assert.ok(emptied && emptied.bytes > 0);
  assert.deepEqual(await trashedRuns(project.store), []);
});

test('a run that lives is not deleted; one that waits is cancelled and then deleted', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 100_000, rate: 20 });
  const waiting = await queueRun(project);
  await until('the start', async () => (await statusOf(run)).step > 0);
  await assert.rejects(trashRun(project.store, run), { code: 'run-lives' });
  await trashRun(project.store, waiting);
  await sendControl(run, 'stop');
  await ended(run);
  await restoreRun(project.store, waiting.id);
  await launch(project);
  assert.equal((await statusOf(waiting)).status, 'stopped');
});

test('a trash that is a link is not followed, and links in a deleted run are removed, not what they lead to', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 2 });
  await ended(run);
  const outside = temporaryFolder('outside');
  writeFileSync(join(outside, 'precious'), 'x');
  symlinkSync(outside, join(project.store.folder, 'trash'));
  await assert.rejects(trashRun(project.store, run), { code: 'store-is-link' });
  await assert.rejects(emptyTrash(project.store), { code: 'store-is-link' });
  const other = testProject();
  const second = await startRun(other, { steps: 2 });
  await ended(second);
  symlinkSync(outside, join(second.folder, 'samples-link'));
  mkdirSync(join(second.folder, 'more'));
  symlinkSync(outside, join(second.folder, 'more', 'link'));
  await trashRun(other.store, second);
  await emptyTrash(other.store);
  assert.ok(existsSync(join(outside, 'precious')));
});

test('two deleted runs of one name never replace each other', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 2 });
  await ended(run);
  await trashRun(project.store, run);
  mkdirSync(run.folder);
  writeFileSync(join(run.folder, 'exit.json'), 'x');
  await assert.rejects(restoreRun(project.store, run.id), { code: 'run-exists' });
  await assert.rejects(trashRun(project.store, run));
  assert.deepEqual(
    (await trashedRuns(project.store)).map(({ id }) => id),
    [run.id],
  );
});

test('notes are added to below each other, and never through a link', async () => {
  const run = await queueRun(testProject());
  await makeNotes(run, 'test · plain');
  await addNote(run, 'one');
  await addNote(run, 'two');
  await makeNotes(run, 'again');
  assert.equal(readFileSync(run.notes, 'utf8'), '# test · plain\n\none\n\ntwo\n');
  const other = await queueRun(testProject());
  const outside = join(temporaryFolder('outside'), 'file');
  writeFileSync(outside, 'mine');
  symlinkSync(outside, other.notes);
  await assert.rejects(addNote(other, 'three'), { code: 'damaged' });
  await assert.rejects(makeNotes(other, 'x'), { code: 'damaged' });
  assert.throws(() => hasNotes(other), { code: 'damaged' });
  assert.equal(readFileSync(outside, 'utf8'), 'mine');
});
