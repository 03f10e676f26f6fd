import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { statusOf } from '../../src/runs/status.ts';
import { ended, launch, ownHome, queueRun, startRun, testProject, until } from '../runs/testStore.ts';
import { holdfast, start } from './commandLine.ts';

ownHome();

const gone = /its folder was deleted or moved away/;

test('a run whose folder is moved away while its terminal waits for it is told as gone, at once and with the way back', async () => {
  const project = testProject();
  const running = await startRun(project, { steps: 100_000, rate: 50 });
  await until('the first runs', async () => (await statusOf(running)).step > 0);
  const { child, done } = start(project, ['run', 'test.tune.yaml', '--json']);
  let said = '';
  child.stderr.on('data', chunk => {
    said += chunk;
  });
  await until('its word', () => said.includes('waits for'));
  const queue = JSON.parse((await holdfast(project, ['queue', '--json'])).stdout);
  const { id } = queue.waiting[0];
  renameSync(project.store.run(id).folder, join(project.folder, 'elsewhere'));
  const { code, stdout } = await done;
  const { status, error } = JSON.parse(stdout);
  assert.deepEqual([code, status, error.code], [1, 'lost', 'run-lost']);
  assert.match(error.message, gone);
  assert.match(error.remedy, new RegExp(`holdfast rm --undo ${id}`));
  await sendControl(running, 'stop');
  await ended(running);
});

test('a run whose folder is deleted while it trains is told so by its terminal, and nobody follows it on', async () => {
  const project = testProject();
  const { done } = start(project, ['run', 'test.tune.yaml'], { steps: 100_000, rate: 50 });
  const run = await until('a step', async () => {
    const [id] = await project.store.runIds();
    return id && (await statusOf(project.store.run(id))).step > 0 ? project.store.run(id) : null;
  });
  const follower = start(project, ['logs', '-f', run.id]);
  await once(follower.child.stdout, 'data');
  // The trainer may write a file into a folder that was just emptied.
  await until('an empty place', () => {
    rmSync(run.folder, { recursive: true, force: true, maxRetries: 5 });
    return !existsSync(run.folder);
  });
  const { code, stderr } = await done;
  assert.equal(code, 1);
  assert.match(stderr, gone);
  assert.doesNotMatch(stderr, /No runner/);
  assert.equal((await follower.done).code, 0);
});

test('an arm that is deleted before its turn is left out of the comparison, which goes on to its report', async () => {
  const project = testProject();
  const first = await queueRun(project, { steps: 100_000, rate: 50 });
  await launch(project);
  const words = ['compare', 'test.tune.yaml', '--variants', 'plain,narrow', '--report', 'report.md', '--json'];
  const { done } = start(project, words, { steps: 2 });
  const [, arm] = await until('both arms', async () => {
    const { waiting } = JSON.parse((await holdfast(project, ['queue', '--json'])).stdout);
    return waiting.length === 2 ? waiting : null;
  });
  await holdfast(project, ['rm', arm.id]);
  await sendControl(first, 'stop');
  const { code, stdout, stderr } = await done;
  assert.equal(code, 0, stderr);
  assert.match(stderr, new RegExp(`${arm.id} is left out`));
  const results = JSON.parse(stdout) as { variant: string; status: string }[];
  assert.deepEqual(
    results.map(({ variant, status }) => [variant, status]),
    [['plain', 'finished']],
  );
  assert.ok(existsSync(join(project.folder, 'report.md')));
});
