/** A2, and the other ways a run can end: what is told of it is true, whoever watched. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { RunResult } from '../../src/protocol/result.ts';
import { sendControl } from '../../src/runs/control.ts';
import { lockHolder } from '../../src/runs/lock.ts';
import { findMarked } from '../../src/runs/markedProcesses.ts';
import { systemCode } from '../../src/runs/runsError.ts';
import { statusOf } from '../../src/runs/status.ts';
import { count } from '../counts.ts';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';
import { isGone, parentThatLaunches } from '../runs/launchingParent.ts';
import { ended, ownHome, queueRun, quick, startRun, testEngine, testProject, until } from '../runs/testStore.ts';

ownHome();

interface Ending {
  what: string;
  trainer: FakeTrainerOptions;
  status: string;
  exit: { code: number | null; signal: string | null };
  words: RegExp;
}

const endings: Ending[] = [
  { what: 'exit code 0', trainer: { steps: 300 }, status: 'finished', exit: { code: 0, signal: null }, words: /^$/ },
  {
    what: 'exit code 1',
    trainer: { dieAtStep: 300, exitCode: 1, says: 'a last word' },
    status: 'failed',
    exit: { code: 1, signal: null },
    words: /exit code 1.*a last word/,
  },
  {
    what: 'SIGKILL',
    trainer: { dieAtStep: 300, signal: 'SIGKILL' },
    status: 'failed',
    exit: { code: null, signal: 'SIGKILL' },
    words: /killed from outside \(SIGKILL\)/,
  },
  {
    what: 'exit code 137',
    trainer: { dieAtStep: 300, exitCode: 137 },
    status: 'failed',
    exit: { code: 137, signal: null },
    words: /probably ran out of memory \(.*exit code 137\)/,
  },
];
const unwatched = count(4, 50);
const atOnce = 4;

test(`${unwatched} runs that end while nobody looks are told with their true exit code by whoever comes next`, async t => {
  for (let first = 0; first < unwatched; first += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, unwatched - first) }, (_, index) => first + index);
    await Promise.all(some.map(endUnwatched));
  }
  t.diagnostic(`A2 true exit code of a run that ended with no window: ${unwatched} of ${unwatched}`);
});

async function endUnwatched(number: number): Promise<void> {
  const { what, trainer, status, exit, words } = endings[number % endings.length]!;
  const downSeconds = count(0, [0, 20, 60][number % 3]!);
  const project = testProject();
  const run = await queueRun(project, { steps: 1000, rate: 100, ...trainer });
  // Paused, so that the end comes after the parent is gone, however busy the machine is.
  await sendControl(run, 'pause');
  const parent = await parentThatLaunches(project.folder, quick);
  await until('paused', async () => (await statusOf(run)).status === 'paused');
  process.kill(parent, 'SIGKILL');
  await until('the parent is gone', () => isGone(parent));
  await sendControl(run, 'resume');
  await until('an exit record', () => existsSync(run.exitJson));
  await sleep(downSeconds * 1000);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(testEngine(), 'cli.cjs'), 'show', run.id, '--json'],
    { cwd: project.folder },
  );
  const told = JSON.parse(stdout) as RunResult;
  assert.deepEqual([told.status, told.exit?.code, told.exit?.signal], [status, exit.code, exit.signal], what);
  assert.match(told.error?.message ?? '', words, what);
}

test('a run whose folder is deleted or moved away while it trains is ended, and nothing of it comes back', async () => {
  for (const [what, remove] of [
    ['deleted', (folder: string) => rmSync(folder, { recursive: true, force: true })],
    ['moved', (folder: string) => renameSync(folder, `${folder}-elsewhere`)],
  ] as const) {
    const project = testProject();
    const run = await startRun(project, { steps: 1_000_000, rate: 200 });
    const { trainer } = await until('a step', async () => {
      const { process, step } = await statusOf(run);
      return step > 0 ? process : null;
    });
    // The trainer may write a file into a folder that was just emptied.
    await until(`${what}: the folder`, () => gone(remove, run.folder));
    await until(`${what}: no trainer`, async () => (await findMarked(trainer!.marker)).length === 0);
    await until(`${what}: no runner`, async () => (await lockHolder(project.store.runnerLock)) === null);
    assert.ok(!existsSync(run.folder), `${what}: something of it came back`);
  }
});

function gone(remove: (folder: string) => void, folder: string): boolean {
  try {
    remove(folder);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOTEMPTY') return false;
    throw error;
  }
}

test('a journal that is deleted while the run trains ends it as failed, with the reason', async () => {
  const run = await startRun(testProject(), { steps: 1_000_000, rate: 200 });
  await until('a step', async () => (await statusOf(run)).step > 0);
  rmSync(run.journalFile);
  const { status, exit } = await ended(run);
  assert.deepEqual([status, exit?.error?.code], ['failed', 'run-folder-gone']);
});

test('a stop says what was saved: that step, an earlier one, or nothing', async () => {
  const slow = { steps: 1_000_000, rate: 20 };
  const saved = await startRun(testProject(), slow);
  await until('a step', async () => (await statusOf(saved)).step > 0);
  await sendControl(saved, 'stop');
  const { reason, step } = await ended(saved);
  assert.equal(reason, `stopped, and saved at step ${step}`);

  const early = await startRun(testProject(), { ...slow, waitsBefore: 'first step' });
  await until('a trainer', async () => (await early.process())?.trainer);
  await sendControl(early, 'stop');
  assert.equal((await ended(early)).reason, 'stopped before its first step: there was nothing to save');

  const stubborn = { ...slow, rate: 100, ignoresStop: true, ignoresSignals: true };
  const killed = await startRun(testProject(), stubborn, ['--grace-ms', '200']);
  await until('step 12', async () => (await statusOf(killed)).step >= 12);
  await sendControl(killed, 'stop');
  const hard = await ended(killed);
  const last = 10 * Math.floor(hard.step / 10);
  const unsaved = `stopped at step ${hard.step} without saving; the last checkpoint is of step ${last}`;
  // It may be killed right behind its own checkpoint.
  assert.equal(hard.reason, hard.step === last ? `stopped at step ${last}, which is saved` : unsaved);
});
