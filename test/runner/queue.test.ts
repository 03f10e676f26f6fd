import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { holdQueue, moveRuns, readQueue, releaseQueue, runNext, setOnError } from '../../src/runs/queue.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { statusOf } from '../../src/runs/status.ts';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';
import { ended, launch, ownHome, queueRun, type TestProject, testProject, until } from '../runs/testStore.ts';

ownHome();

async function queued(project: TestProject, ...trainers: FakeTrainerOptions[]): Promise<RunFolder[]> {
  const runs: RunFolder[] = [];
  for (const trainer of trainers) runs.push(await queueRun(project, trainer));
  return runs;
}

async function startOrder(runs: RunFolder[]): Promise<string[]> {
  const started = await Promise.all(runs.map(async run => ({ id: run.id, at: (await run.process())?.startedAt ?? 0 })));
  return started.sort((a, b) => a.at - b.at).map(({ id }) => id);
}

const held = (project: TestProject) =>
  until('a held queue whose runner has left', async () => {
    const { held } = await readQueue(project.store);
    return existsSync(project.store.runnerLock) ? null : held;
  });

const short: FakeTrainerOptions = { steps: 2, rate: 0 };

test('runs are taken in the order of queue.json, also when it changes while one runs', async () => {
  const project = testProject();
  const [first, a, b, c] = (await queued(project, { steps: 100_000, rate: 100 }, short, short, short)) as [
    RunFolder,
    RunFolder,
    RunFolder,
    RunFolder,
  ];
  await launch(project);
  await until('the first runs', async () => (await statusOf(first)).step > 0);
  await runNext(project.store, [c.id]);
  await moveRuns(project.store, [a.id], null);
  await sendControl(first, 'stop');
  for (const run of [a, b, c]) await ended(run);
  assert.deepEqual(await startOrder([first, a, b, c]), [first.id, c.id, b.id, a.id]);
});

test('with on-error hold a failed run holds the queue; a release and a new runner go on', async () => {
  const project = testProject();
  const [bad, good] = (await queued(project, { dieAtStep: 1, says: 'broken' }, short)) as [RunFolder, RunFolder];
  await setOnError(project.store, 'hold');
  await launch(project);
  const { run, reason } = await held(project);
  assert.equal(run, bad.id);
  assert.match(reason, /broken/);
  assert.equal((await statusOf(good)).status, 'queued');
  await releaseQueue(project.store);
  await launch(project);
  assert.equal((await ended(good)).status, 'finished');
});

test('a stopped run does not hold the queue', async () => {
  const project = testProject();
  const [first, second] = (await queued(project, { steps: 100_000, rate: 100 }, short)) as [RunFolder, RunFolder];
  await setOnError(project.store, 'hold');
  await launch(project);
  await until('the first runs', async () => (await statusOf(first)).step > 0);
  await sendControl(first, 'stop');
  assert.equal((await ended(second)).status, 'finished');
});

test('a held queue takes nothing, lets the running one end, and every runner that comes leaves', async () => {
  const project = testProject();
  const [first, second] = (await queued(project, { steps: 100_000, rate: 100 }, short)) as [RunFolder, RunFolder];
  await launch(project);
  await until('the first runs', async () => (await statusOf(first)).step > 0);
  await holdQueue(project.store, 'held by the user');
  assert.equal((await statusOf(first)).status, 'running');
  await sendControl(first, 'stop');
  await held(project);
  await launch(project);
  await held(project);
  assert.equal((await statusOf(second)).status, 'queued');
  // The release may come while a runner is about to leave: that one looks once more.
  await Promise.all([releaseQueue(project.store), launch(project)]);
  await launch(project);
  assert.equal((await ended(second)).status, 'finished');
});

test('a runner killed with its run leaves a queue that holds when it is to hold on errors', async () => {
  const project = testProject();
  const [first, second] = (await queued(project, { steps: 100_000, rate: 100 }, short)) as [RunFolder, RunFolder];
  await setOnError(project.store, 'hold');
  const { pid } = await launch(project);
  await until('the first runs', async () => (await statusOf(first)).step > 0);
  process.kill(pid, 'SIGKILL');
  await until('lost', async () => (await statusOf(first)).status === 'lost');
  await launch(project);
  assert.equal((await held(project)).run, first.id);
  assert.equal((await statusOf(second)).status, 'queued');
});
