import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as z from 'zod';
import { sendControl } from '../../src/runs/control.ts';
import { lockHolder, tryLock } from '../../src/runs/lock.ts';
import { carries, findMarked, killMarked, markerName } from '../../src/runs/markedProcesses.ts';
import {
  bootId,
  identityOf,
  isAlive,
  ownIdentity,
  type ProcessIdentity,
  signalProcess,
} from '../../src/runs/processIdentity.ts';
import { RunFolder } from '../../src/runs/runFolder.ts';
import { readFileChecked, readJsonChecked } from '../../src/runs/safeFile.ts';
import { statusOf } from '../../src/runs/status.ts';
import { ownHome, queueRun, temporaryFolder, testProject, until } from './testStore.ts';

ownHome();

/** Another program of the user's, which nobody may end. */
function bystander(env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  process.once('exit', () => child.kill('SIGKILL'));
  child.unref();
  return child;
}

test('a forged process record brings no signal to a foreign process, in a thousand forgeries', async () => {
  const child = bystander();
  const real = (await identityOf(child.pid!))!;
  const forgeries: Partial<ProcessIdentity>[] = [
    { startTime: '1' },
    { bootId: 'another boot' },
    { host: 'another-host', bootId: 'another boot' },
    { pid: 0 },
    { pid: 1 },
    { pid: -1 },
    { pid: -child.pid! },
    { pid: Number.NaN },
    { pid: 1.5 },
    { pid: process.ppid },
    { pid: process.pid },
  ];
  let sent = 0;
  const kill = process.kill;
  process.kill = ((...args: Parameters<typeof kill>) => {
    sent += 1;
    return kill.apply(process, args);
  }) as typeof kill;
  try {
    for (let round = 0; round < 1000; round++) {
      const forged = { ...real, ...forgeries[round % forgeries.length] };
      assert.equal(await signalProcess(forged, 'SIGKILL'), false);
    }
  } finally {
    process.kill = kill;
  }
  assert.equal(sent, 0);
  assert.equal(await isAlive(real), 'alive');
  assert.equal(await signalProcess(real, 'SIGKILL'), true, 'the true identity is reached');
});

test('process records of other shapes are damaged, and the run is lost instead of alive', async () => {
  const run = await queueRun(testProject());
  const me = await ownIdentity();
  const record = { v: 1, attempt: 1, startedAt: Date.now(), runner: { identity: me, marker: 'm' }, trainer: null };
  writeFileSync(run.processJson, JSON.stringify(record));
  assert.equal((await statusOf(run)).status, 'running');
  for (const identity of [
    { ...me, pid: 1 },
    { ...me, pid: -5 },
    { ...me, pid: 'x' },
    { ...me, startTime: '1' },
    { ...me, bootId: 'b' },
  ]) {
    writeFileSync(run.processJson, JSON.stringify({ ...record, runner: { identity, marker: 'm' } }));
    const { status, reason } = await statusOf(run);
    assert.deepEqual([status, reason !== ''], ['lost', true], JSON.stringify(identity));
  }
});

test('files that are links, folders, too large or of another shape are damaged, never followed', async () => {
  const folder = temporaryFolder('hostile');
  const at = (name: string) => join(folder, name);
  writeFileSync(at('secret'), '{}');
  symlinkSync(at('secret'), at('link'));
  mkdirSync(at('folder'));
  writeFileSync(at('large'), 'x'.repeat(1001));
  for (const name of ['link', 'folder', 'large']) {
    await assert.rejects(readFileChecked(at(name), 1000), (error: Error & { code: string }) =>
      /damaged|file-error/.test(error.code),
    );
  }
  assert.equal(await readFileChecked(at('nothing'), 1000), null);
  writeFileSync(at('odd'), '{"a":"b"}');
  await assert.rejects(readJsonChecked(at('odd'), z.object({ a: z.number() }), 1000), /odd is damaged at a: /);
});

test('a run whose request is forged, torn or missing is told as damaged', async () => {
  const folder = temporaryFolder('runs');
  for (const [name, text] of [
    ['torn', '{"v":1,"id":'],
    ['empty', ''],
    ['foreign', '{"v":1,"id":"../../etc"}'],
  ] as const) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'run.json'), text);
    await assert.rejects(new RunFolder(name, join(folder, name)).request(), { code: 'damaged' });
  }
});

test('a lock is held by the living, and never by the dead', async () => {
  const file = join(temporaryFolder('lock'), 'lock');
  const first = await tryLock(file);
  assert.ok(first.held);
  const second = await tryLock(file);
  assert.ok(!second.held && second.holder?.pid === process.pid);
  first.lock.release();
  assert.equal(await lockHolder(file), null);
  const me = await ownIdentity();
  for (const dead of [
    { ...me, startTime: '1' },
    { ...me, bootId: 'another' },
    { ...me, pid: 2 ** 22 - 1 },
  ]) {
    writeFileSync(file, JSON.stringify(dead));
    const taken = await tryLock(file);
    assert.ok(taken.held, JSON.stringify(dead));
    taken.lock.release();
  }
  writeFileSync(file, JSON.stringify({ ...me, host: `not-${hostname()}`, bootId: 'another' }));
  assert.ok(!(await tryLock(file)).held, 'somebody on another host is never pushed out');
});

test('of ten that find the same dead holder at once exactly one gets the lock', async () => {
  const file = join(temporaryFolder('lock'), 'lock');
  for (let round = 0; round < 20; round++) {
    writeFileSync(file, JSON.stringify({ ...(await ownIdentity()), startTime: '1' }));
    const attempts = await Promise.all(Array.from({ length: 10 }, () => tryLock(file)));
    const held = attempts.filter(attempt => attempt.held);
    assert.equal(held.length, 1, `round ${round}`);
    for (const attempt of held) if (attempt.held) attempt.lock.release();
  }
});

test('whatever carries the marker is found and killed, in any session, and nothing else', async t => {
  if (process.platform === 'win32') return t.skip('environments of others cannot be read on Windows');
  const marker = `test-${Date.now()}`;
  const other = bystander({ [markerName]: `${marker}-other` });
  const script = `const { spawn } = require('node:child_process');
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' }).unref();
    setInterval(() => {}, 1000);`;
  spawn(process.execPath, ['-e', script], { env: { ...process.env, [markerName]: marker }, stdio: 'ignore' });
  t.after(() => killMarked(marker, null));
  await until('both', async () => (await findMarked(marker)).length === 2);
  await killMarked(marker, null);
  assert.deepEqual(await findMarked(marker), []);
  assert.equal(await isAlive((await identityOf(other.pid!))!), 'alive');
});

test('a process carries its marker at every look, also while it starts one program after another', {
  skip: process.platform === 'linux' ? false : 'environments are read from /proc',
}, async t => {
  const marker = `restless-${Date.now()}`;
  const program = join(temporaryFolder('restless'), 'again.sh');
  writeFileSync(program, 'exec sh "$0"\n');
  const restless = spawn('sh', [program], { env: { PATH: process.env.PATH, [markerName]: marker }, stdio: 'ignore' });
  t.after(() => restless.kill('SIGKILL'));
  const identity = (await identityOf(restless.pid!))!;
  const looks = await Promise.all(
    Array.from({ length: 500 }, async (_, look) => {
      await new Promise(resolve => setTimeout(resolve, 2 * look));
      return carries(identity, marker);
    }),
  );
  assert.equal(looks.filter(found => !found).length, 0);
});

test('a control command stands on a line of its own even after a torn one', async () => {
  const run = await queueRun(testProject());
  writeFileSync(run.controlFile, '{"v":1,"id":"torn');
  await sendControl(run, 'stop');
  assert.equal((await statusOf(run)).status, 'stopped');
  assert.equal(readFileSync(run.controlFile, 'utf8').split('\n').length, 3);
});

test('the boot id is the same at every look', async () => {
  assert.equal(await bootId(), await bootId());
});
