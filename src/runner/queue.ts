/**
 * A store's queue: runs that have a sealed request and no process yet, oldest first, one at a time under the store's
 * lock. Knows nothing of how a run is supervised.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { pendingResume } from '../runs/attempts.ts';
import { tryLock } from '../runs/lock.ts';
import { findMarked, killMarked } from '../runs/markedProcesses.ts';
import { isAlive } from '../runs/processIdentity.ts';
import { type RunFolder, type RunRequest, type RunResume, runFormat } from '../runs/runFolder.ts';
import { errorReport } from '../runs/runsError.ts';
import { writeJsonSafely } from '../runs/safeFile.ts';
import { isSealed } from '../runs/seal.ts';
import { isCancelled } from '../runs/status.ts';
import { Store } from '../runs/store.ts';
import type { RunnerSettings } from './settings.ts';
import { superviseRun } from './superviseRun.ts';

export async function workQueue(folder: string, settings: RunnerSettings, leave: AbortSignal): Promise<void> {
  const store = new Store(dirname(folder), folder);
  /** Runs that failed before they could say so in their folder: never tried twice. */
  const givenUp = new Set<string>();
  for (;;) {
    const attempt = await tryLock(store.runnerLock);
    if (!attempt.held) return;
    try {
      await endOrphans(store, settings);
      for (;;) {
        const next = leave.aborted ? null : await nextQueued(store, givenUp);
        if (!next) break;
        await take(next, settings, leave, givenUp);
      }
    } finally {
      attempt.lock.release();
    }
    // A run may have been queued between our last look and the release; its own runner then found us and left.
    if (leave.aborted || !(await nextQueued(store, givenUp))) return;
  }
}

interface Queued {
  run: RunFolder;
  request: RunRequest;
  /** Attempt 2 and later. */
  resume: RunResume | null;
  /** When it was asked for; the queue's order. */
  since: number;
}

async function take(
  { run, request, resume }: Queued,
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
  const lastStep = (await run.exit().catch(() => null))?.lastStep ?? 0;
  const attempt = resume?.attempt ?? 1;
  const ending = { v: runFormat, attempt, outcome, code: null, signal: null, reason, lastStep, stderr: [] };
  await writeJsonSafely(run.exitJson, { ...ending, ...(error ? { error: errorReport(error) } : {}), t: Date.now() });
}

async function nextQueued(store: Store, givenUp: Set<string>): Promise<Queued | null> {
  const queued: Queued[] = [];
  for (const id of await store.runIds()) {
    const run = store.run(id);
    const asked = givenUp.has(id) ? null : await askedFor(run);
    if (!asked) continue;
    const request = await run.request().catch(() => null);
    if (request && request.id === id && request.v <= runFormat && (await isSealed(request, store.folder))) {
      queued.push({ run, request, ...asked, since: asked.resume?.t ?? request.createdAt });
    }
  }
  queued.sort((a, b) => a.since - b.since || (a.run.id < b.run.id ? -1 : 1));
  return queued[0] ?? null;
}

/** Is its first attempt, or one more, still to come? */
async function askedFor(run: RunFolder): Promise<{ resume: RunResume | null } | null> {
  const hasBegun = existsSync(run.processJson) || existsSync(run.exitJson);
  if (!hasBegun) return { resume: null };
  if (!existsSync(run.resumeJson)) return null;
  const known = await Promise.all([run.process(), run.exit()]).catch(() => null);
  const resume = known && (await pendingResume(run, ...known));
  return resume ? { resume } : null;
}

/**
 * Trainers whose runner was killed. The end of their input tells them to save and leave; what has not left after the
 * grace time is ended, so that never two train at once.
 */
async function endOrphans(store: Store, settings: RunnerSettings): Promise<void> {
  for (const id of await store.runIds()) {
    const run = store.run(id);
    const [process, exit] = await Promise.all([run.process(), run.exit()]).catch(() => [null, null]);
    if (!process?.trainer || (exit && exit.attempt >= process.attempt)) continue;
    if ((await isAlive(process.runner.identity)) !== 'gone') continue;
    const { identity, marker } = process.trainer;
    if ((await isAlive(identity)) !== 'alive') continue;
    // The marker is in its environment: a forged process.json cannot name somebody else's process.
    const carriers = await findMarked(marker);
    if (!carriers.some(({ pid }) => pid === identity.pid)) continue;
    log(`waits for the trainer that ${id} left behind`);
    const until = Date.now() + (settings.limits.graceMs ?? 10_000) * 3;
    while ((await isAlive(identity)) === 'alive' && Date.now() < until) await pause(100);
    if ((await isAlive(identity)) === 'alive') await killMarked(marker, null);
  }
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

export function log(what: string): void {
  process.stderr.write(`${new Date().toISOString()} runner ${process.pid}: ${what}\n`);
}
