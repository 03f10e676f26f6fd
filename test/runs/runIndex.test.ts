import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { RunIndex } from '../../src/runs/runIndex.ts';
import { writeJsonSafely } from '../../src/runs/safeFile.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { ended, ownHome, queueRun, startRun, testProject } from './testStore.ts';

ownHome();

test('the index lists runs with status, verdict and checkpoints, newest first', async () => {
  const project = testProject();
  const done = await startRun(project, { verdicts: { general: 'forgot', arithmetic: 'kept' } });
  await ended(done);
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
  for (const broken of ['', '{', '{"v":99}', '{"v":1,"runs":{"x":{"changed":1,"summary":{}}},"view":{}}']) {
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
  await index.remember('sort', 'name');
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

test('two processes that remember 50 things each keep all of them', async () => {
  const project = testProject();
  await queueRun(project);
  const program = join(project.folder, 'writer.ts');
  const at = (path: string) => JSON.stringify(new URL(`../../src/runs/${path}`, import.meta.url).pathname);
  writeFileSync(
    program,
    `import { RunIndex } from ${at('runIndex.ts')};
     import { storeOf } from ${at('store.ts')};
     async function main() {
       const index = await RunIndex.open(storeOf(process.argv[2]), { mayWrite: true });
       for (let number = 0; number < 50; number++) await index.remember(process.argv[3] + number, number);
     }
     void main();`,
  );
  const built = bundle(program, 'indexWriter');
  const writers = ['a', 'b'].map(name => spawn(process.execPath, [built, project.folder, name], { stdio: 'inherit' }));
  const codes = await Promise.all(writers.map(writer => new Promise(resolve => writer.once('exit', resolve))));
  assert.deepEqual(codes, [0, 0]);
  const index = await RunIndex.open(project.store, { mayWrite: true });
  for (const name of ['a', 'b']) {
    for (let number = 0; number < 50; number++) assert.equal(index.view(name + number, z.number()), number);
  }
  assert.deepEqual(
    readdirSync(project.store.folder).filter(name => /tmp|steal|index\.lock/.test(name)),
    [],
  );
});
