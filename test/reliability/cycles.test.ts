/** A8: a runner that takes run after run leaves no zombies and keeps no files open. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { lockHolder } from '../../src/runs/lock.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { count } from '../counts.ts';
import { ended, launch, ownHome, queueRun, testProject, until } from '../runs/testStore.ts';

ownHome();
const cycles = count(50, 500);
/** Runs before the first count: what a runner opens once is open then. */
const warmUp = 5;
const tolerance = 2;
const skip = process.platform === 'linux' ? false : 'open files are counted in /proc';

test(`after ${cycles} runs the runner has no zombies, and as many open files as after the first`, { skip }, async t => {
  const project = testProject();
  const runs: RunFolder[] = [];
  for (let number = 0; number < cycles; number++) {
    const short = number % 5 === 4 ? { dieAtStep: 2, signal: 'SIGKILL' as const } : { steps: 3, rate: 0 };
    // Those that are looked at stand still.
    runs.push(await queueRun(project, number === warmUp ? { waitsBefore: 'first step' } : short));
  }
  const last = await queueRun(project, { waitsBefore: 'first step' });
  await launch(project);
  const { pid } = await until('the runner', () => lockHolder(project.store.runnerLock));
  await ended(runs[warmUp - 1]!);
  const early = await until('a trainer at work', () => countAtWork(pid, runs[warmUp]!));
  await sendControl(runs[warmUp]!, 'stop');
  for (const run of runs) await ended(run);
  const late = await until('the last trainer at work', () => countAtWork(pid, last));
  t.diagnostic(
    `A8 ${cycles} start/stop cycles: ${late.zombies} zombies, ${early.handles} open handles after ${warmUp} runs, ${late.handles} after all`,
  );
  process.kill(pid, 'SIGTERM');
  await ended(last);
  await until('the runner leaves', async () => (await lockHolder(project.store.runnerLock)) === null);
  assert.equal(late.zombies, 0);
  assert.ok(late.handles <= early.handles + tolerance, `${early.handles} → ${late.handles}`);
});

/** Once the trainer has greeted: its pipes and the journal are open at both looks. */
async function countAtWork(pid: number, run: RunFolder): Promise<{ handles: number; zombies: number } | null> {
  const journal = existsSync(run.journalFile) ? readFileSync(run.journalFile, 'utf8') : '';
  if (!journal.includes('"prepared"')) return null;
  return { handles: readdirSync(`/proc/${pid}/fd`).length, zombies: zombiesOf(pid) };
}

function zombiesOf(parent: number): number {
  return readdirSync('/proc').filter(name => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return state === 'Z' && Number(ppid) === parent;
    } catch {
      return false;
    }
  }).length;
}
