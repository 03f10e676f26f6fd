import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { statusOf } from '../../src/runs/status.ts';
import { ended, launch, ownHome, queueRun, type TestProject, testProject, until } from '../runs/testStore.ts';
import { holdfast as commandLine, type Outcome, start } from './commandLine.ts';

ownHome();

const holdfast = (project: TestProject, ...words: string[]): Promise<Outcome> => commandLine(project, words);
const waitingIds = (stdout: string): string[] => JSON.parse(stdout).waiting.map(({ id }: { id: string }) => id);

test('queue shows what runs and what waits, and reorders it', async () => {
  const project = testProject();
  const running = await queueRun(project, { steps: 100_000, rate: 100 });
  const [a, b, c] = [
    await queueRun(project),
    await queueRun(project),
    await queueRun(project, {}, { group: 'compare-1' }),
  ];
  await launch(project);
  await until('the first runs', async () => (await statusOf(running)).step > 0);
  const listed = await holdfast(project, 'queue', '--json');
  const state = JSON.parse(listed.stdout);
  assert.deepEqual([listed.code, state.held, state.onError], [0, null, 'continue']);
  assert.deepEqual([state.running.id, state.running.status], [running.id, 'running']);
  assert.deepEqual(state.waiting.at(-1), { id: c.id, name: 'test', variant: 'plain', group: 'compare-1', attempt: 1 });
  assert.deepEqual(waitingIds(listed.stdout), [a.id, b.id, c.id]);
  assert.deepEqual(waitingIds((await holdfast(project, 'queue', 'next', c.id, '--json')).stdout), [c.id, a.id, b.id]);
  const moved = await holdfast(project, 'queue', 'move', b.id, '--before', a.id, '--json');
  assert.deepEqual(waitingIds(moved.stdout), [c.id, b.id, a.id]);
  assert.deepEqual(waitingIds((await holdfast(project, 'queue', 'move', c.id, '--last', '--json')).stdout), [
    b.id,
    a.id,
    c.id,
  ]);
  assert.deepEqual(waitingIds((await holdfast(project, 'queue', 'cancel', 'compare-1', '--json')).stdout), [
    b.id,
    a.id,
  ]);
  const table = (await holdfast(project, 'queue')).stdout;
  assert.match(table, new RegExp(`${running.id} +plain +running, step \\d+\n *1 +${b.id}`));
  for (const run of [a, b, running]) await sendControl(run, 'stop');
  await ended(running);
});

test('a run that comes while the queue is held says so and waits; release starts a runner', async () => {
  const project = testProject();
  const held = await holdfast(project, 'queue', 'hold');
  assert.match(held.stdout, /Held: held by the user\nholdfast queue release/);
  const { child, done } = start(project, ['run', 'test.tune.yaml']);
  let said = '';
  child.stderr.on('data', chunk => {
    said += chunk;
  });
  await until('its word', () => said.includes('held: held by the user (holdfast queue release)'));
  const released = await holdfast(project, 'queue', 'release', '--json');
  assert.equal(JSON.parse(released.stdout).held, null);
  assert.equal((await done).code, 0);
});

test('on-error hold is kept and shown', async () => {
  const project = testProject();
  await queueRun(project);
  assert.equal(JSON.parse((await holdfast(project, 'queue', 'on-error', 'hold', '--json')).stdout).onError, 'hold');
  assert.match((await holdfast(project, 'queue')).stdout, /held when a run fails/);
});

for (const [words, says] of [
  [['queue', 'shuffle'], /"shuffle" is nothing a queue can do[\s\S]*Usage/],
  [['queue', 'next'], /RUN is missing/],
  [['queue', 'move', 'last'], /--before RUN or --last/],
  [['queue', 'next', 'last', '--last'], /belong to move, not to next/],
  [['queue', 'on-error', 'panic'], /continue or hold/],
  [['queue', 'hold', 'it'], /"it" is too much/],
] as const) {
  test(`holdfast ${words.join(' ')} is refused with its usage`, async () => {
    const project = testProject();
    await queueRun(project);
    const { code, stderr } = await holdfast(project, ...words);
    assert.equal(code, 2);
    assert.match(stderr, says);
  });
}

test('a run that has started is not cancelled: the word for that is stop', async () => {
  const project = testProject();
  const run = await queueRun(project, { steps: 2, rate: 0 });
  await launch(project);
  await ended(run);
  const { code, stdout } = await holdfast(project, 'queue', 'cancel', run.id, '--json');
  const { error } = JSON.parse(stdout);
  assert.equal(code, 2);
  assert.deepEqual([error.code, error.remedy], ['not-queued', `Stop it with: holdfast stop ${run.id}`]);
});
