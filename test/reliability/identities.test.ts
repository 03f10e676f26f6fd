/** A3: whatever a run's files say of its processes, nobody but these processes gets a signal. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { systemClock } from '../../src/runs/clock.ts';
import { findMarked, killMarked, runnerMarkerName } from '../../src/runs/markedProcesses.ts';
import { endOrphan } from '../../src/runs/orphans.ts';
import { identityOf, isAlive, ownIdentity } from '../../src/runs/processIdentity.ts';
import type { RunExit, RunFolder } from '../../src/runs/runFolder.ts';
import { statusOf } from '../../src/runs/status.ts';
import { stopRun } from '../../src/runs/stopRun.ts';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { ended, ownHome, queueRun, startRun, testEngine, testProject, until } from '../runs/testStore.ts';
import { testSeed } from './seed.ts';

ownHome();
const forgeries = 1000;
const reuses = count(20, 1000);
const seed = testSeed();

test(`${forgeries} forged process records bring no signal to anybody, whether a run is stopped or its orphans are ended`, async t => {
  const project = testProject();
  const run = await queueRun(project);
  const { pid } = stranger();
  const real = (await identityOf(pid!))!;
  const me = await ownIdentity();
  const identities: object[] = [
    // True in every way: only the marker tells that it is not ours.
    real,
    { ...real, startTime: '1' },
    { ...real, bootId: 'another boot' },
    { ...real, bootId: 'another boot', host: 'another-host' },
    ...[0, 1, -1, -real.pid, Number.NaN, 1.5, 2 ** 40].map(pid => ({ ...real, pid })),
    me,
    { ...real, pid: process.ppid },
    (await identityOf(process.ppid))!,
  ];
  const markers = ['', 'm', 'x'.repeat(100), '\0'];
  let drawn = 0;
  const pick = <T>(list: T[]): T => list[Math.floor(list.length * uniform(seed, drawn++))]!;
  const sent = await countingSignals(async () => {
    for (let number = 0; number < forgeries; number++) {
      const marked = () => ({ identity: pick(identities), marker: pick(markers) });
      const record = { v: 1, attempt: 1, startedAt: 0, runner: marked(), trainer: pick([null, marked()]) };
      writeFileSync(run.processJson, JSON.stringify(record));
      writeOldHeartbeat(run);
      rmSync(run.controlFile, { force: true });
      await statusOf(run);
      await stopRun({ store: project.store, run, graceMs: 1 }).catch(() => {});
      await endOrphan(run, 1);
      assert.deepEqual(
        [await isAlive(real), (await run.exit().catch(() => null))?.outcome],
        ['alive', undefined],
        `seed ${seed}, forgery ${number}: ${readFileSync(run.processJson, 'utf8')}`,
      );
    }
  });
  assert.deepEqual(sent, []);
  t.diagnostic(`A3 forged process identities: ${forgeries} records, 0 signals (seed ${seed})`);
});

test('a frozen runner is woken by a stop, and then stops as any other', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 1_000_000, rate: 50 });
  const { runner, trainer } = await until('a step', async () => {
    const { process, step } = await statusOf(run);
    return step > 0 && process?.trainer ? { ...process, trainer: process.trainer } : null;
  });
  process.kill(runner.identity.pid, 'SIGSTOP');
  process.kill(trainer.identity.pid, 'SIGSTOP');
  writeOldHeartbeat(run);
  // Asked by a program that has never seen it alive.
  const cli = [join(testEngine(), 'cli.cjs'), 'stop', run.id];
  const { stderr } = await promisify(execFile)(process.execPath, cli, { cwd: project.folder });
  assert.match(stderr, /its runner has given no sign of life for \d+ s: waking it/);
  const { status, reason } = await ended(run);
  assert.deepEqual([status, /^stopped, and saved/.test(reason)], ['stopped', true], reason);
});

for (const attempt of [1, 2]) {
  test(`a runner that stays deaf in attempt ${attempt} is ended with all it began, and its run is told as stopped from outside`, async t => {
    const project = testProject();
    const run = await queueRun(project);
    const marker = randomUUID();
    const deaf = "trap '' TERM; sleep 1000 & setsid sleep 1000 & echo; wait";
    const runner = spawn('sh', ['-c', deaf], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
      env: { PATH: process.env.PATH, [runnerMarkerName]: marker },
    });
    await once(runner.stdout, 'data');
    t.after(() => killMarked(marker, null, runnerMarkerName));
    await until('all three', async () => (await findMarked(marker, runnerMarkerName)).length === 3);
    const identity = (await identityOf(runner.pid!))!;
    const record = { v: 1, attempt, startedAt: 0, runner: { identity, marker }, trainer: null };
    writeFileSync(run.processJson, JSON.stringify(record));
    writeOldHeartbeat(run, attempt);
    // How the attempt before ended says nothing of this one.
    if (attempt > 1) writeFileSync(run.exitJson, JSON.stringify(exitOf(attempt - 1)));
    await stopRun({ store: project.store, run, graceMs: 100 });
    const { status, reason, step } = await statusOf(run);
    assert.deepEqual([status, step], ['stopped', 1]);
    assert.match(reason, /^stopped from outside: its runner has given no sign of life/);
    assert.deepEqual(await findMarked(marker, runnerMarkerName), []);
  });
}

const inNamespace = ['-rpf', '--mount-proc'];
const canReuse =
  spawnSync('unshare', [...inNamespace, 'sh', '-c', 'echo 5000 > /proc/sys/kernel/ns_last_pid']).status === 0;

test(`of ${reuses} strangers that have got the very pid of a run's dead process none gets a signal`, {
  skip: canReuse ? false : 'no process namespaces on this machine',
}, async t => {
  const story = fileURLToPath(new URL('./pidReuseStory.ts', import.meta.url));
  const words = [...inNamespace, process.execPath, '--import', 'tsx', story, String(reuses)];
  const { stdout } = await promisify(execFile)('unshare', words, { timeout: 120_000 + 1000 * reuses });
  const { reused, signals } = JSON.parse(stdout) as { reused: number; signals: number };
  assert.deepEqual([reused, signals], [reuses, 0]);
  t.diagnostic(`A3 reused pids: ${reused} real reuses, ${signals} signals to the strangers`);
});

/** What was sent besides the question whether somebody is there. */
async function countingSignals(body: () => Promise<void>): Promise<unknown[][]> {
  const sent: unknown[][] = [];
  const { kill } = process;
  process.kill = (pid, signal) => {
    if (signal !== 0) sent.push([pid, signal]);
    return kill.call(process, pid, signal);
  };
  try {
    await body();
  } finally {
    process.kill = kill;
  }
  return sent;
}

function stranger(): ChildProcess {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
  process.once('exit', () => child.kill('SIGKILL'));
  child.unref();
  return child;
}

/** As of somebody who froze a minute ago. */
function writeOldHeartbeat(run: RunFolder, attempt = 1): void {
  const up = systemClock.awake() - 60_000;
  const beat = { attempt, step: 1, t: Date.now(), up, paused: false, silentMs: 0, idle: false };
  writeFileSync(run.heartbeatFile, JSON.stringify(beat));
}

const exitOf = (attempt: number): RunExit => ({
  v: 1,
  attempt,
  outcome: 'failed',
  code: 1,
  signal: null,
  reason: 'it died',
  lastStep: 1,
  stderr: [],
  t: 0,
});
