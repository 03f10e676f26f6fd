import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RunIndex } from '../../src/runs/runIndex.ts';
import { writeJsonSafely } from '../../src/runs/safeFile.ts';
import { ended, ownHome, queueRun, startRun, testProject, until } from './testStore.ts';

ownHome();

test('the index lists runs with status, verdict and checkpoints, newest first', async () => {
  const project = testProject();
  const done = await startRun(project, { verdicts: { general: 'forgot', arithmetic: 'kept' } });
  await ended(done);
  await until('its runner has left: it would take the next', () => !existsSync(project.store.runnerLock));
  const waiting = await queueRun(project);
  const index = await RunIndex.open(project.store, { mayWrite: true });
  const [first, second] = await index.refresh();
  assert.deepEqual([first?.id, first?.status], [waiting.id, 'queued']);
  assert.deepEqual(
    [second?.id, second?.status, second?.verdict, second?.step, second?.steps],
    [done.id, 'finished', 'forgot', 20, 20],
  );
  assert.deepEqual(
    second?.checkpoints.map(({ step }) => step),
    [10, 20],
  );
});

test('a missing, broken or foreign index is rebuilt from the folders', async () => {
  const project = testProject();
  const run = await queueRun(project);
  const file = join(project.store.folder, 'index.json');
  const listed = async () =>
    (await (await RunIndex.open(project.store, { mayWrite: true })).refresh()).map(({ id }) => id);
  assert.deepEqual(await listed(), [run.id]);
  for (const broken of ['', '{', '{"v":99}', '{"v":3,"runs":{"x":{"changed":1,"summary":{}}}}']) {
    writeFileSync(file, broken);
    assert.deepEqual(await listed(), [run.id]);
    assert.ok(JSON.parse(readFileSync(file, 'utf8')).runs[run.id], 'and written anew');
  }
});

test('what is over and unchanged is not read again; what the user changes is', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 2 });
  await ended(run);
  const index = await RunIndex.open(project.store, { mayWrite: true });
  await index.refresh();
  rmSync(run.journalFile);
  writeFileSync(run.journalFile, '');
  await writeJsonSafely(run.userJson, { name: 'my best', star: true });
  const [changed] = await index.refresh();
  assert.deepEqual([changed?.name, changed?.star], ['my best', true]);
});

test('without leave to write, nothing is written', async () => {
  const project = testProject();
  await queueRun(project);
  const index = await RunIndex.open(project.store, { mayWrite: false });
  assert.equal((await index.refresh()).length, 1);
  assert.ok(!existsSync(join(project.store.folder, 'index.json')));
});

test('folders that are links, files or badly named are no runs', async () => {
  const project = testProject();
  const run = await queueRun(project);
  const { runsFolder } = project.store;
  symlinkSync(run.folder, join(runsFolder, 'linked'));
  writeFileSync(join(runsFolder, 'file'), '');
  mkdirSync(join(runsFolder, 'UPPER'));
  mkdirSync(join(runsFolder, 'empty'));
  const index = await RunIndex.open(project.store, { mayWrite: true });
  assert.deepEqual(
    (await index.refresh()).map(({ id }) => id),
    [run.id],
  );
});
