/**
 * Takes a store's queue in turn, one run at a time under the store's lock, in the order of `queue.json`, and takes none
 * while the queue is held. Knows nothing of how a run is supervised.
 */
import { dirname } from 'node:path';
import { tryLock } from '../runs/lock.ts';
import { endOrphan } from '../runs/orphans.ts';
import { isAlive } from '../runs/processIdentity.ts';
import { changeQueue, readQueue, type WaitingRun, waitingRuns } from '../runs/queue.ts';
import { type RunFolder, type RunRequest, type RunResume, runFormat } from '../runs/runFolder.ts';
import { errorReport } from '../runs/runsError.ts';
import { writeJsonSafely } from '../runs/safeFile.ts';
import { isSealed } from '../runs/seal.ts';
import { isCancelled, statusOf } from '../runs/status.ts';
import { Store } from '../runs/store.ts';
import { patiently } from './patiently.ts';
import type { RunnerSettings } from './settings.ts';
import { superviseRun } from './superviseRun.ts';

export async function workQueue(folder: string, settings: RunnerSettings, leave: AbortSignal): Promise<void> {
  const store = new Store(dirname(folder), folder);
  /** Runs that failed before they could say so in their folder: never tried twice. */
  const givenUp = new Set<string>();
  for (;;) {
    // Who asked for this runner has left by now, and on a full disk nobody would come again.
    const attempt = await patiently(
      () => tryLock(store.runnerLock),
      settings.heartbeatMs,
      () => leave.throwIfAborted(),
    );
    if (!attempt.held) return;
    try {
      // Never two trainers at once, whoever left one behind.
      for (const id of await store.runIds()) {
        if (await endOrphan(store.run(id), settings.limits.graceMs))
          log(`waited for the trainer that ${id} left behind`);
      }
      let mayGoOn = await settleTaken(store);
      while (mayGoOn) {
        const next = leave.aborted ? null : await nextQueued(store, givenUp);
        if (!next) break;
        await noteTaken(store, next.run.id);
        await take(next, settings, leave, givenUp);
        mayGoOn = await settleTaken(store, next.run.id);
      }
    } finally {
      attempt.lock.release();
    }
    // A run may have been queued between our last look and the release; its own runner then found us and left.
    if (leave.aborted || !(await nextQueued(store, givenUp))) return;
  }
}

/** Written before the run starts, so that a runner killed with it leaves a queue that knows what it was at. */
async function noteTaken(store: Store, id: string): Promise<void> {
  // The run is worth more than the note: on a full disk it still says itself why it cannot start.
  await changeQueue(store, queue => ({ ...queue, taken: id })).catch(error => log(errorReport(error).message));
}

/** How did the run end that was taken last, here or by a runner that was killed? False: the queue is to be held. */
async function settleTaken(store: Store, id?: string): Promise<boolean> {
  const { taken, onError } = await readQueue(store);
  const run = id ?? taken;
  if (run === null) return true;
  const { status, reason } = await statusOf(store.run(run));
  const hasFailed = status === 'failed' || status === 'lost';
  try {
    const { held } = await changeQueue(store, queue => {
      const failed = hasFailed && queue.onError === 'hold' && { run, reason: reason || status };
      return { ...queue, taken: null, held: queue.held ?? (failed || null) };
    });
    if (held) log(`holds the queue: ${held.reason}`);
    return held === null;
  } catch (error) {
    // A hold that cannot be written down must not be forgotten: nothing more is taken by this runner.
    if (hasFailed && onError === 'hold') throw error;
    log(errorReport(error).message);
    return true;
  }
}

async function take(
  { run, request, resume }: WaitingRun,
  settings: RunnerSettings,
  leave: AbortSignal,
  givenUp: Set<string>,
): Promise<void> {
  try {
    const reason = await whyNotStarted(run, request, resume);
    if (reason) return await endUnstarted(run, resume, reason);
    log(`takes ${run.id}${resume ? `, attempt ${resume.attempt}` : ''}`);
    await superviseRun(run, request, resume, settings, leave);
  } catch (error) {
    givenUp.add(run.id);
    log(`gave up ${run.id}: ${errorReport(error).message}`);
    await endUnstarted(run, resume, errorReport(error).message, error).catch(() => {});
  }
}

async function whyNotStarted(run: RunFolder, request: RunRequest, resume: RunResume | null): Promise<string | null> {
  if (await isCancelled(run, resume?.attempt ?? 1)) return 'cancelled before it started';
  const { owner } = resume ?? request;
  if (owner && (await isAlive(owner)) === 'gone') return 'its terminal was closed before it started';
  return null;
}

async function endUnstarted(run: RunFolder, resume: RunResume | null, reason: string, error?: unknown): Promise<void> {
  const outcome = error ? 'failed' : 'stopped';
  const { step: lastStep } = await statusOf(run);
  const attempt = resume?.attempt ?? 1;
  const ending = { v: runFormat, attempt, outcome, code: null, signal: null, reason, lastStep, stderr: [] };
  await writeJsonSafely(run.exitJson, { ...ending, ...(error ? { error: errorReport(error) } : {}), t: Date.now() });
}

async function nextQueued(store: Store, givenUp: Set<string>): Promise<WaitingRun | null> {
  const queue = await readQueue(store);
  if (queue.held) return null;
  for (const waiting of await waitingRuns(store, queue)) {
    const { run, request } = waiting;
    if (!givenUp.has(run.id) && (await isSealed(request, store.folder))) return waiting;
  }
  return null;
}

export function log(what: string): void {
  process.stderr.write(`${new Date().toISOString()} runner ${process.pid}: ${what}\n`);
}
