import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { statusOf } from '../../src/runs/status.ts';
import {
  ended,
  launch,
  ownHome,
  queueRun,
  type TestProject,
  testEngine,
  testProject,
  until,
} from '../runs/testStore.ts';

ownHome();
testEngine();

function holdfast(
  project: TestProject,
  ...words: string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [join(testEngine(), 'cli.cjs'), ...words], { cwd: project.folder });
  let [out, err] = ['', ''];
  child.stdout.on('data', chunk => {
    out += chunk;
  });
  child.stderr.on('data', chunk => {
    err += chunk;
  });
  return new Promise(resolve => child.once('close', code => resolve({ code, out, err })));
}

const waitingIds = (out: string): string[] => JSON.parse(out).waiting.map(({ id }: { id: string }) => id);

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
  const state = JSON.parse(listed.out);
  assert.deepEqual([listed.code, state.held, state.onError], [0, null, 'continue']);
  assert.deepEqual([state.running.id, state.running.status], [running.id, 'running']);
  assert.deepEqual(state.waiting.at(-1), { id: c.id, name: 'test', variant: 'plain', group: 'compare-1', attempt: 1 });
  assert.deepEqual(waitingIds(listed.out), [a.id, b.id, c.id]);
  assert.deepEqual(waitingIds((await holdfast(project, 'queue', 'next', c.id, '--json')).out), [c.id, a.id, b.id]);
  const moved = await holdfast(project, 'queue', 'move', b.id, '--before', a.id, '--json');
  assert.deepEqual(waitingIds(moved.out), [c.id, b.id, a.id]);
  assert.deepEqual(waitingIds((await holdfast(project, 'queue', 'move', c.id, '--last', '--json')).out), [
    b.id,
    a.id,
    c.id,
  ]);
  assert.deepEqual(waitingIds((await holdfast(project, 'queue', 'cancel', 'compare-1', '--json')).out), [b.id, a.id]);
  const table = (await holdfast(project, 'queue')).out;
  assert.match(table, new RegExp(`${running.id} +plain +running, step \\d+\n *1 +${b.id}`));
  for (const run of [a, b, running]) await sendControl(run, 'stop');
  await ended(running);
});

test('a run that comes while the queue is held says so and waits; release starts a runner', async () => {
  const project = testProject();
  const held = await holdfast(project, 'queue', 'hold');
  assert.match(held.out, /Held: held by the user\nholdfast queue release/);
  const run = spawn(process.execPath, [join(testEngine(), 'cli.cjs'), 'run', 'test.tune.yaml'], {
    cwd: project.folder,
  });
  let said = '';
  run.stderr.on('data', chunk => {
    said += chunk;
  });
  const exited = new Promise(resolve => run.once('close', resolve));
  await until('its word', () => said.includes('held: held by the user (holdfast queue release)'));
  const released = await holdfast(project, 'queue', 'release', '--json');
  assert.equal(JSON.parse(released.out).held, null);
  assert.equal(await exited, 0);
});

test('on-error hold is kept and shown', async () => {
  const project = testProject();
  await queueRun(project);
  assert.equal(JSON.parse((await holdfast(project, 'queue', 'on-error', 'hold', '--json')).out).onError, 'hold');
  assert.match((await holdfast(project, 'queue')).out, /held when a run fails/);
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
    const { code, err } = await holdfast(project, ...words);
    assert.equal(code, 2);
    assert.match(err, says);
  });
}

test('a run that has started is not cancelled: the word for that is stop', async () => {
  const project = testProject();
  const run = await queueRun(project, { steps: 2, rate: 0 });
  await launch(project);
  await ended(run);
  const { code, out } = await holdfast(project, 'queue', 'cancel', run.id, '--json');
  const { error } = JSON.parse(out);
  assert.equal(code, 2);
  assert.deepEqual([error.code, error.remedy], ['not-queued', `Stop it with: holdfast stop ${run.id}`]);
});
