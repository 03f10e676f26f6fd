import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { askedFile, listCheckpoints } from '../../src/runs/checkpointFiles.ts';
import { clean, planCleaning } from '../../src/runs/cleanRun.ts';
import { sendControl } from '../../src/runs/control.ts';
import { loadRun } from '../../src/runs/loadRun.ts';
import { endOrphan } from '../../src/runs/orphans.ts';
import { findResumePoint } from '../../src/runs/resumePoint.ts';
import { RunIndex } from '../../src/runs/runIndex.ts';
import { statusOf } from '../../src/runs/status.ts';
import { ended, ownHome, startRun, temporaryFolder, testProject, until } from './testStore.ts';

ownHome();

async function finishedRun() {
  const project = testProject();
  const run = await startRun(project, { steps: 40 });
  await ended(run);
  const names = (await listCheckpoints(run.checkpoints)).map(({ name }) => name);
  return { ...project, run, names };
}

test('what the rule does not keep goes, with its size told before, and the list knows', async () => {
  const { store, run, names } = await finishedRun();
  assert.ok(names.length > 2);
  const index = await RunIndex.open(store, { mayWrite: true });
  assert.equal((await index.refresh())[0]?.checkpoints.length, names.length);
  const plan = await planCleaning(run, { keep: ['last'], keepEvery: 20 });
  assert.deepEqual(
    plan.stays.map(({ step }) => step),
    [20, 40],
  );
  assert.ok(plan.goes.every(({ bytes }) => bytes > 0));
  await clean(store, plan);
  assert.deepEqual(
    (await index.refresh())[0]?.checkpoints.map(({ step }) => step),
    [20, 40],
  );
});

test('when the newest checkpoint is damaged, the newest one that can be read stays too', async () => {
  const { run, names } = await finishedRun();
  appendFileSync(join(run.checkpoints, names.at(-1)!, 'state.safetensors'), 'x');
  const { stays } = await planCleaning(run, { keep: ['last'] });
  assert.deepEqual(
    stays.map(({ name }) => name),
    names.slice(-2),
  );
  for (const name of names) appendFileSync(join(run.checkpoints, name, 'state.safetensors'), 'x');
  assert.deepEqual((await planCleaning(run, { keep: ['last'] })).goes, []);
});

test('the checkpoint a resume goes on from stays, also where its trainer saved a newer one after the runner was killed', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 100_000, standsAt: 25 });
  await until('step 25', async () => (await statusOf(run)).step === 25);
  const { runner } = await until('the process', () => run.process());
  process.kill(runner.identity.pid, 'SIGKILL');
  await ended(run);
  const orphaned = await until('what the trainer saved alone', async () =>
    (await listCheckpoints(run.checkpoints)).find(({ step }) => step === 25),
  );
  await endOrphan(run);
  const { request, state } = await loadRun(run);
  const point = await findResumePoint({ run, request, state });
  assert.equal(point.checkpoint?.step, 20);
  assert.deepEqual(
    point.untold.map(({ name }) => name),
    [orphaned.name],
  );
  const plan = await planCleaning(run, { keep: ['last'] });
  assert.deepEqual(
    plan.stays.map(({ step }) => step),
    [20, 25],
  );
  await clean(project.store, plan);
  assert.equal((await findResumePoint({ run, request, state })).checkpoint?.step, 20);
});

test('a checkpoint that the user asked for stays until he lets it go', async () => {
  const { run, names } = await finishedRun();
  writeFileSync(join(run.checkpoints, names[0]!, askedFile), '{}');
  const { stays } = await planCleaning(run, { keep: ['last'] });
  assert.deepEqual(stays, [
    { name: names[0], step: 10, asked: true },
    { name: names.at(-1), step: 40 },
  ]);
  assert.equal((await planCleaning(run, { keep: ['last'], withAsked: true })).stays.length, 1);
});

test('what was planned for a run that goes on meanwhile is not done', async () => {
  const { store, run } = await finishedRun();
  const plan = await planCleaning(run, { keep: ['last'] });
  writeFileSync(run.resumeJson, JSON.stringify({ v: 1, attempt: 2, checkpoint: null, t: Date.now() }));
  const before = await listCheckpoints(run.checkpoints);
  await assert.rejects(clean(store, plan), { code: 'run-lives' });
  assert.deepEqual(await listCheckpoints(run.checkpoints), before);
});

test('a run that lives is not cleaned', async () => {
  const run = await startRun(testProject(), { steps: 100_000, rate: 100 });
  await until('the start', async () => (await statusOf(run)).step > 0);
  await assert.rejects(planCleaning(run, { keep: ['last'] }), { code: 'run-lives' });
  await sendControl(run, 'stop');
  await ended(run);
});

test('checkpoints behind a link are nobody’s to remove', async () => {
  const { run, names } = await finishedRun();
  const outside = join(temporaryFolder('outside'), 'checkpoints');
  renameSync(run.checkpoints, outside);
  symlinkSync(outside, run.checkpoints);
  assert.deepEqual((await planCleaning(run, { keep: ['last'] })).goes, []);
  mkdirSync(join(run.folder, 'x'));
  for (const name of names) assert.ok(existsSync(join(outside, name)));
});
