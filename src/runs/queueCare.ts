/**
 * Whether anybody takes what waits in a store. A runner that was killed leaves its queue standing: whoever looks at it tells,
 * and whoever waits for it has another runner started. Starts nothing itself.
 */
import { lockHolder } from './lock.ts';
import { type Queue, readQueue, waitingRuns } from './queue.ts';
import { isSealed } from './seal.ts';
import { isCancelled } from './status.ts';
import type { Store } from './store.ts';

/** A runner that was just started is there within this time, on a machine that is not busy. */
const unservedMs = 5000;
/** One that was started because there was none is given this long. */
const takeUpMs = 15_000;
/** Without a run taken in between. */
const mostStarts = 2;
const lookMs = 100;

/** What there is of a runner: none that lives, one that has taken nothing yet, one with a run under way. */
export type RunnerSeen = 'none' | 'idle' | 'busy';

/** Of one queue in which something waits that nobody holds back. */
export class QueueCare {
  #noneSince: number | null = null;
  #starts = 0;

  /** At every look: a runner is to be started now; or it was, and did not help. */
  look(runner: RunnerSeen, now = Date.now()): 'wait' | 'start' | 'give up' {
    if (runner === 'busy') this.#starts = 0;
    if (runner !== 'none') this.#noneSince = null;
    else this.#noneSince ??= now;
    const patience = this.#starts === 0 ? unservedMs : takeUpMs;
    if (this.#noneSince === null || now - this.#noneSince < patience) return 'wait';
    if (this.#starts === mostStarts) return 'give up';
    this.#starts += 1;
    this.#noneSince = now;
    return 'start';
  }
}

/** Something waits, nobody holds it back, and no living runner is there within `patienceMs`. */
export async function isUnserved(store: Store, patienceMs = unservedMs / 2): Promise<boolean> {
  for (const until = Date.now() + patienceMs; ; await new Promise(after => setTimeout(after, lookMs))) {
    const queue = await readQueue(store);
    if (queue.held || (await lockHolder(store.runnerLock)) || !(await isAnyToBeTaken(store, queue))) return false;
    if (Date.now() >= until) return true;
  }
}

async function isAnyToBeTaken(store: Store, queue: Queue): Promise<boolean> {
  for (const { run, request, resume } of await waitingRuns(store, queue)) {
    if ((await isSealed(request, store.folder)) && !(await isCancelled(run, resume?.attempt ?? 1))) return true;
  }
  return false;
}
