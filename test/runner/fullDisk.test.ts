import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { noSmallDisk, onSmallDisk } from '../runs/smallDisk.ts';
import { ownHome, temporaryFolder, testEngine, testProject } from '../runs/testStore.ts';

ownHome();

const skip = noSmallDisk;

/** Runs a shell script in a project on a small disk of its own. */
async function inProjectOnSmallDisk(script: string, trainer: object): Promise<string> {
  const project = testProject();
  const disk = temporaryFolder('disk');
  const words = [
    '-rm',
    'sh',
    '-c',
    `mount -t tmpfs -o size=2m tmpfs "$1" && cp -r "$2"/. "$1" && cd "$1" && ${script}`,
  ];
  const env = {
    ...process.env,
    CLI: join(testEngine(), 'cli.cjs'),
    NODE: process.execPath,
    HOLDFAST_FAKE_TRAINER: JSON.stringify(trainer),
  };
  const { stdout } = await promisify(execFile)('unshare', [...words, 'sh', disk, project.folder], {
    env,
    timeout: 60_000,
  });
  return stdout;
}

test('a disk that is full before the start makes no run and says so', { skip }, async () => {
  const output = await inProjectOnSmallDisk(
    `{ head -c 3000000 /dev/zero > filler 2>/dev/null; "$NODE" "$CLI" run test.tune.yaml --json; echo "---$?---"; find .holdfast -name 'run.json*'; }`,
    {},
  );
  const [result, code, left] = output.split('---');
  assert.equal(code, '3');
  assert.equal(JSON.parse(result!).error.code, 'disk-full');
  assert.equal(left?.trim(), '', 'no half-written run');
});

test('a folder that may not be written makes no run and says so', { skip }, async () => {
  const output = await inProjectOnSmallDisk(
    `mount -o remount,ro "$PWD" && "$NODE" "$CLI" run test.tune.yaml --json; echo "---$?---"`,
    {},
  );
  const [result, code] = output.split('---');
  assert.equal(code, '3');
  assert.equal(JSON.parse(result!).error.code, 'no-permission');
});

test('a run that finds no room at any moment of its start waits, says so, goes on once there is some, and heeds a stop', {
  skip,
}, async () => {
  const story = new URL('./littleRoomStory.ts', import.meta.url);
  const { told, stopped } = JSON.parse(await onSmallDisk(story, 2000, [], 240_000));
  const seen = Object.values<string>(told);
  assert.equal(seen.at(-1), 'running', `a start with enough room: ${JSON.stringify(told)}`);
  for (const status of ['queued', 'paused']) assert.ok(seen.includes(status), `${status}: ${JSON.stringify(told)}`);
  assert.equal(stopped, 'stopped');
});
