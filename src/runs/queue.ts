/**
 * `queue.json`: in which order a store's waiting runs are taken, and whether any is taken now. Changed under a lock that
 * the dead cannot hold, so that two who ask at once lose nothing; runs it does not name come after, oldest first. Knows
 * nothing of who takes them.
 */
import { existsSync } from 'node:fs';
import * as z from 'zod';
import { pendingResume } from './attempts.ts';
import { type Lock, waitForLock } from './lock.ts';
import { type RunFolder, type RunRequest, type RunResume, runFormat } from './runFolder.ts';
import { RunsError } from './runsError.ts';
import { readJsonChecked, writeJsonSafely } from './safeFile.ts';
import type { Store } from './store.ts';

const queueFormat = 1;
const limitBytes = 1024 * 1024;
const runId = z.string().regex(/^[a-z0-9-]{1,64}$/);

const queueSchema = z.object({
  v: z.number().int(),
  order: z.array(runId).max(10_000),
  /** After a run that failed: take the next one, or wait until somebody has looked. */
  onError: z.enum(['continue', 'hold']),
  /** Nothing is taken, and why; `run` is the one that failed. */
  held: z.object({ run: runId.nullable(), reason: z.string().max(32_768) }).nullable(),
  /** The run a runner took last, until it has looked how that ended: a killed runner cannot. */
  taken: runId.nullable().default(null),
});
export type Queue = z.output<typeof queueSchema>;

export const emptyQueue: Queue = { v: queueFormat, order: [], onError: 'continue', held: null, taken: null };

export interface WaitingRun {
  run: RunFolder;
  request: RunRequest;
  /** Attempt 2 and later. */
  resume: RunResume | null;
}

/** A file that cannot be read holds the queue: whoever releases it writes a good one. */
export async function readQueue(store: Store): Promise<Queue> {
  try {
    return (await readJsonChecked(store.queueFile, queueSchema, limitBytes)) ?? emptyQueue;
  } catch (error) {
    if (!(error instanceof RunsError) || error.code !== 'damaged') throw error;
    const reason = `${error.message}. Released, the queue goes on with the oldest run.`;
    return { ...emptyQueue, held: { run: null, reason } };
  }
}

/** Runs whose first attempt, or one more, is still to come, in the order in which they will be taken. */
export async function waitingRuns(store: Store, queue: Queue): Promise<WaitingRun[]> {
  const waiting: WaitingRun[] = [];
  for (const id of await store.runIds()) {
    const run = store.run(id);
    const asked = await askedFor(run);
    const request = asked && (await run.request().catch(() => null));
    if (asked && request && request.id === id && request.v <= runFormat) waiting.push({ run, request, ...asked });
  }
  return inQueueOrder(waiting, queue, ({ run, request, resume }) => ({
    id: run.id,
    since: resume?.t ?? request.createdAt,
  }));
}

/** As the queue says; what it does not name comes behind, oldest first. `since`: when the run, or one more attempt, was asked for. */
export function inQueueOrder<T>(
  runs: readonly T[],
  { order }: Pick<Queue, 'order'>,
  about: (run: T) => { id: string; since: number },
): T[] {
  const places = new Map(order.map((id, place) => [id, place]));
  const known = runs.map(run => ({ run, ...about(run) }));
  const place = ({ id }: { id: string }): number => places.get(id) ?? Number.POSITIVE_INFINITY;
  known.sort((a, b) => (place(a) === place(b) ? a.since - b.since || (a.id < b.id ? -1 : 1) : place(a) - place(b)));
  return known.map(({ run }) => run);
}

/** Looks for the files first: of thousands of runs nearly all are over. */
async function askedFor(run: RunFolder): Promise<{ resume: RunResume | null } | null> {
  const hasBegun = existsSync(run.processJson) || existsSync(run.exitJson);
  if (!hasBegun) return { resume: null };
  if (!existsSync(run.resumeJson)) return null;
  const known = await Promise.all([run.process(), run.exit()]).catch(() => null);
  const resume = known && (await pendingResume(run, ...known));
  return resume ? { resume } : null;
}

/** `change` sees the queue as it is and the ids that wait, first the first. What it gives is on the disk afterwards. */
export async function changeQueue(store: Store, change: (queue: Queue, waiting: string[]) => Queue): Promise<Queue> {
  await store.prepare();
  const lock = await lockQueue(store);
  try {
    const queue = await readQueue(store);
    if (queue.v > queueFormat) {
      const remedy = 'Update Holdfast here, or change the queue with the newer one.';
      throw new RunsError('newer-format', `${store.queueFile} was written by a newer Holdfast`, { remedy });
    }
    const waiting = (await waitingRuns(store, queue)).map(({ run }) => run.id);
    const changed = change(queue, waiting);
    const order = changed.order.filter(id => waiting.includes(id));
    const result = { ...changed, order, v: queueFormat };
    await writeJsonSafely(store.queueFile, result);
    return result;
  } finally {
    lock.release();
  }
}

/** To stand right before another waiting run, or with `null` behind all. */
export function moveRuns(store: Store, ids: readonly string[], before: string | null): Promise<Queue> {
  return changeQueue(store, (queue, waiting) => {
    for (const id of before === null ? ids : [...ids, before]) requireWaiting(id, waiting);
    return { ...queue, order: placedBefore(waiting, ids, before) };
  });
}

/** What was above comes to stand below, what was below above: what dropping one row on another means. */
export function takePlace(store: Store, ids: readonly string[], target: string): Promise<Queue> {
  return changeQueue(store, (queue, waiting) => {
    for (const id of [...ids, target]) requireWaiting(id, waiting);
    const at = waiting.indexOf(target);
    const comeFromAbove = ids.every(id => waiting.indexOf(id) < at);
    const before = comeFromAbove ? (waiting[at + 1] ?? null) : target;
    return { ...queue, order: placedBefore(waiting, ids, before) };
  });
}

/** To the head of the queue. */
export function runNext(store: Store, ids: readonly string[]): Promise<Queue> {
  return changeQueue(store, (queue, waiting) => {
    for (const id of ids) requireWaiting(id, waiting);
    return { ...queue, order: [...ids, ...waiting.filter(id => !ids.includes(id))] };
  });
}

export const holdQueue = (store: Store, reason: string): Promise<Queue> =>
  changeQueue(store, queue => ({ ...queue, held: queue.held ?? { run: null, reason } }));

/** Somebody has to start a runner afterwards: the last one left when the queue was held. */
export const releaseQueue = (store: Store): Promise<Queue> => changeQueue(store, queue => ({ ...queue, held: null }));

export const setOnError = (store: Store, onError: Queue['onError']): Promise<Queue> =>
  changeQueue(store, queue => ({ ...queue, onError }));

/** `ids` keep the order they are given in. */
export function placedBefore(waiting: readonly string[], ids: readonly string[], before: string | null): string[] {
  const others = waiting.filter(id => !ids.includes(id));
  // A run cannot stand before itself: then its next neighbour that stays is meant.
  const rest = before === null ? [] : waiting.slice(waiting.indexOf(before));
  const anchor = rest.find(id => !ids.includes(id));
  const at = anchor === undefined ? others.length : others.indexOf(anchor);
  return others.toSpliced(at, 0, ...ids);
}

function requireWaiting(id: string, waiting: readonly string[]): void {
  if (waiting.includes(id)) return;
  const remedy = 'Only runs that have not started have a place in the queue. See holdfast queue.';
  throw new RunsError('not-queued', `${id} does not wait in the queue`, { remedy });
}

/** Longer than a lock that its holder was killed with can stay in the way. */
const patienceMs = 40_000;

async function lockQueue(store: Store): Promise<Lock> {
  const signal = AbortSignal.timeout(patienceMs);
  try {
    return await waitForLock(store.queueLock, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    const remedy = 'Try again. A process of another machine that is gone leaves this file behind: then delete it.';
    throw new RunsError('busy', `The queue is being changed by somebody else: ${store.queueLock}`, {
      file: store.queueLock,
      remedy,
      cause: error,
    });
  }
}
