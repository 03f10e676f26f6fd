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

test('what is left to itself in a queue that is held is told so: run, resume and compare', async () => {
  const project = testProject();
  const done = await queueRun(project, { steps: 60, dieAtStep: 15 });
  await launch(project);
  await ended(done);
  await holdfast(project, 'queue', 'hold');
  const says = /Nothing is taken while the queue is held: held by the user. It goes on with: holdfast queue release/;
  assert.match((await holdfast(project, 'resume', done.id, '--detach')).stdout, says);
  assert.match((await holdfast(project, 'run', 'test.tune.yaml', '--detach')).stdout, says);
  const compared = await holdfast(project, 'compare', 'test.tune.yaml', '--detach', '--json');
  assert.equal(JSON.parse(compared.stdout).held, 'held by the user');
});

test('on-error hold is kept and shown', async () => {
  const project = testProject();
  await queueRun(project);
  assert.equal(JSON.parse((await holdfast(project, 'queue', 'on-error', 'hold', '--json')).stdout).onError, 'hold');
  assert.match((await holdfast(project, 'queue')).stdout, /held when a run fails/);
});

/** Kills the runner that is at a run of the project, and waits until it is gone. */
async function killRunner({ store }: TestProject): Promise<string> {
  const run = await until('a run under way', async () => {
    for (const id of await store.runIds()) if ((await statusOf(store.run(id))).step > 0) return store.run(id);
    return null;
  });
  const { runner } = await until('its process', () => run.process());
  process.kill(runner.identity.pid, 'SIGKILL');
  await until('its end', async () => (await statusOf(run)).status === 'lost');
  return run.id;
}

const twoArms = { byVariant: { plain: { steps: 100_000, rate: 50 }, narrow: { steps: 2 } } };

test('a comparison whose runner is killed goes on with another one: the arm it was at is lost, the next is run', async () => {
  const project = testProject();
  const { done } = start(project, ['compare', 'test.tune.yaml', '--variants', 'plain,narrow', '--json'], twoArms);
  const lost = await killRunner(project);
  const { stdout, stderr } = await done;
  const results = JSON.parse(stdout) as { id: string; status: string }[];
  assert.deepEqual(results.map(({ status }) => status).sort(), ['finished', 'lost'], stderr);
  assert.equal(results.find(({ status }) => status === 'lost')?.id, lost);
  assert.match(stderr, /No runner lives that would take it: another one is started/);
});

test('a run that waits behind one whose runner is killed has its turn', async () => {
  const project = testProject();
  await queueRun(project, { steps: 100_000, rate: 50 });
  await launch(project);
  const { child, done } = start(project, ['run', 'test.tune.yaml', '--variant', 'narrow'], twoArms);
  let said = '';
  child.stderr.on('data', chunk => {
    said += chunk;
  });
  await until('its word', () => said.includes('waits for'));
  await killRunner(project);
  const { code, stderr } = await done;
  assert.equal(code, 0, stderr);
});

test('queue, ls and logs say that no runner lives while runs wait, with the command that makes them go on', async () => {
  const project = testProject();
  const first = await queueRun(project, { steps: 100_000, rate: 50 });
  const waiting = await queueRun(project);
  await launch(project);
  await until('the first runs', async () => (await statusOf(first)).step > 0);
  assert.equal(JSON.parse((await holdfast(project, 'queue', '--json')).stdout).served, true);
  await killRunner(project);
  const listed = await holdfast(project, 'queue');
  assert.match(listed.stdout, /No runner lives[^\n]*: holdfast queue release/);
  assert.equal(JSON.parse((await holdfast(project, 'queue', '--json')).stdout).served, false);
  assert.match((await holdfast(project, 'ls')).stderr, /No runner lives[^\n]*: holdfast queue release/);
  assert.match((await holdfast(project, 'logs', waiting.id)).stderr, /No runner lives[^\n]*: holdfast queue release/);
  const follower = start(project, ['logs', waiting.id, '-f']);
  let followed = '';
  follower.child.stderr.on('data', chunk => {
    followed += chunk;
  });
  await until('its word', () => followed.includes('No runner lives'));
  const released = await holdfast(project, 'queue', 'release');
  assert.doesNotMatch(released.stdout, /No runner lives/);
  assert.match((await follower.done).stdout, /^\S+ +ended: /m);
  await ended(waiting);
  assert.doesNotMatch((await holdfast(project, 'ls')).stderr, /No runner lives/);
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
