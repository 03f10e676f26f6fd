/** A4: however a trainer's processes stand to each other, a stop leaves none of them, and touches nobody else. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { findMarked, markerName } from '../../src/runs/markedProcesses.ts';
import { identityOf, isAlive } from '../../src/runs/processIdentity.ts';
import { TrainerProcess } from '../../src/runs/trainerProcess.ts';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { temporaryFolder, until } from '../runs/testStore.ts';
import { isWithin } from '../slowness.ts';
import { growTree } from './processTree.ts';
import { testSeed } from './seed.ts';

const trees = count(10, 100);
const limitMs = 25_000;
const seed = testSeed();
const skip = process.platform === 'linux' ? false : 'the trees are grown by a shell with setsid';

test(`of ${trees} random trees of processes a stop, or the leader's death, leaves nobody and kills no stranger`, {
  skip,
}, async t => {
  const strangers = [stranger(), stranger({ [markerName]: randomUUID() }), stranger({ [markerName]: '' })];
  const known = await Promise.all(strangers.map(async ({ pid }) => (await identityOf(pid!))!));
  const folder = temporaryFolder('trees');
  let [processes, slowestMs] = [0, 0];
  for (let number = 0; number < trees; number++) {
    let drawn = 0;
    const tree = growTree(join(folder, String(number)), () => uniform(seed + number, drawn++));
    const moment = `seed ${seed}, tree ${number}`;
    const trainer = await TrainerProcess.start({
      node: { path: '/bin/sh', env: {}, reason: 'a tree' },
      program: [tree.leader],
      cwd: folder,
      trusted: true,
      onEvent: () => {},
      limits: { graceMs: 300 },
    });
    const pids = await until(`${moment}: all stand`, tree.pids);
    const since = performance.now();
    // Every third time it is not we who end it.
    if (number % 3 === 0) process.kill(trainer.identity!.pid, 'SIGKILL');
    else void trainer.stop();
    await trainer.exited;
    assert.deepEqual(await findMarked(trainer.marker), [], moment);
    for (const pid of pids) assert.equal(await identityOf(pid), null, `${moment}: ${pid} of ${tree.size} lives`);
    slowestMs = Math.max(slowestMs, performance.now() - since);
    processes += tree.size + 1;
  }
  for (const identity of known) assert.equal(await isAlive(identity), 'alive', 'a stranger was killed');
  assert.ok(isWithin(slowestMs, limitMs), `the slowest took ${Math.round(slowestMs)} ms`);
  t.diagnostic(
    `A4 random process trees: ${trees} trees of ${processes} processes, 0 survivors, 0 foreign kills, the slowest gone after ${(slowestMs / 1000).toFixed(1)} s (seed ${seed})`,
  );
});

function stranger(env: Record<string, string> = {}): ChildProcess {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore', env: { PATH: process.env.PATH, ...env } });
  process.once('exit', () => child.kill('SIGKILL'));
  child.unref();
  return child;
}
