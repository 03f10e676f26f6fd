import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { listCheckpoints } from '../../src/runs/checkpointFiles.ts';
import { clean, planCleaning } from '../../src/runs/cleanRun.ts';
import { sendControl } from '../../src/runs/control.ts';
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
