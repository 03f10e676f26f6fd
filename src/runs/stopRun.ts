/**
 * Stops a run for whoever asks. The runner does it; only one that has fallen silent is ended from here, with everything
 * that carries its marker, and then the record that it can no longer write is written for it.
 */
import { sendControl } from './control.ts';
import { tryLock } from './lock.ts';
import { carries, killMarked, runnerMarkerName } from './markedProcesses.ts';
import { isAlive, type ProcessIdentity, signalProcess } from './processIdentity.ts';
import { type RunExit, type RunFolder, type RunProcess, runFormat } from './runFolder.ts';
import { RunsError } from './runsError.ts';
import { writeJsonSafely } from './safeFile.ts';
import { statusOf } from './status.ts';
import type { Store } from './store.ts';

export interface StopRun {
  store: Store;
  run: RunFolder;
  /** At once, without saving. */
  now?: boolean;
  /** Each rung of the ladder for a runner that does not answer. */
  graceMs?: number;
  /** Told when the runner does not answer: ending it takes a while. */
  onSilent?: (reason: string) => void;
}

export async function stopRun({ now = false, ...options }: StopRun): Promise<void> {
  await sendControl(options.run, 'stop');
  if (now) await sendControl(options.run, 'stop');
  await endIfSilent(options);
}

/** Of a run that was asked to stop. */
export async function endIfSilent({ store, run, graceMs = 10_000, onSilent }: Omit<StopRun, 'now'>): Promise<void> {
  const { isRunnerSilent, process, reason } = await statusOf(run);
  if (!isRunnerSilent || !process) return;
  onSilent?.(reason);
  await endSilentRunner(run, process, graceMs);
  await recordFor(store, run, process, reason);
}

/** Wakes it, in case it was frozen; then asks it to leave; then kills. Each is looked at again just before. */
async function endSilentRunner(run: RunFolder, process: RunProcess, graceMs: number): Promise<void> {
  const { runner, trainer } = process;
  if (!(await carries(runner.identity, runner.marker, runnerMarkerName))) throw outOfReach(run, runner.identity);
  if (trainer && (await carries(trainer.identity, runner.marker, runnerMarkerName)))
    await signalProcess(trainer.identity, 'SIGCONT');
  for (const signal of ['SIGCONT', 'SIGTERM'] as const) {
    await signalProcess(runner.identity, signal);
    if (await isOverWithin(graceMs, run, runner.identity)) return;
  }
  await killMarked(runner.marker, globalThis.process.platform === 'win32' ? runner.identity : null, runnerMarkerName);
}

/** It woke and obeyed, or it is gone. */
async function isOverWithin(graceMs: number, run: RunFolder, runner: ProcessIdentity): Promise<boolean> {
  const until = performance.now() + graceMs;
  while (performance.now() < until) {
    if ((await isAlive(runner)) !== 'alive') return true;
    if (!(await statusOf(run)).isRunnerSilent) return true;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  return false;
}

function outOfReach(run: RunFolder, { host, pid }: ProcessIdentity): RunsError {
  return new RunsError(
    'runner-out-of-reach',
    `The runner of ${run.id} is silent, and is no process that may be ended here`,
    {
      file: run.processJson,
      remedy: `Look at process ${pid} on ${host}; the run is asked to stop should its runner wake.`,
    },
  );
}

/** Only whoever holds the store's lock may, and only while nobody else has. */
async function recordFor(store: Store, run: RunFolder, process: RunProcess, reason: string): Promise<void> {
  if ((await isAlive(process.runner.identity)) !== 'gone') return;
  const attempt = await tryLock(store.runnerLock);
  if (!attempt.held) return;
  try {
    const now = await run.process();
    const exit = await run.exit();
    if (now?.attempt !== process.attempt || (exit && exit.attempt >= process.attempt)) return;
    const record: RunExit = {
      v: runFormat,
      attempt: process.attempt,
      outcome: 'stopped',
      code: null,
      signal: null,
      reason: `stopped from outside: ${reason}`,
      lastStep: (await run.heartbeat().catch(() => null))?.step ?? 0,
      stderr: [],
      t: Date.now(),
    };
    await writeJsonSafely(run.exitJson, record);
  } finally {
    attempt.lock.release();
  }
}
