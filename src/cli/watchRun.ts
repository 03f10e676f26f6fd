/**
 * Follows a run of ours to its end and shows its progress. Ctrl-C asks it to stop and save; a second time, to stop at
 * once; a runner that does not answer is ended as by `holdfast stop`. Where no runner lives that could take it, another one
 * is started; never waits for one that does not come.
 */
import type { JournalRecord } from '../protocol/journal.ts';
import { sendControl } from '../runs/control.ts';
import { followJournal } from '../runs/journal.ts';
import { lockedElsewhere, lockHolder } from '../runs/lock.ts';
import { readQueue } from '../runs/queue.ts';
import { QueueCare } from '../runs/queueCare.ts';
import type { RunFolder } from '../runs/runFolder.ts';
import { isOver, type StatusOfRun, statusOf } from '../runs/status.ts';
import { endIfSilent } from '../runs/stopRun.ts';
import type { Store } from '../runs/store.ts';
import type { Progress } from './progress.ts';
import { noRunner, startRunner } from './serveQueue.ts';

const lookMs = 500;

export interface Watch {
  store: Store;
  run: RunFolder;
  progress: Progress;
  interruptions: Interruptions;
  /** Ours too, behind it in the queue: a stop is meant for all of them. */
  behind?: RunFolder[];
  onRecord: (record: JournalRecord) => void;
}

export async function watchRun({
  store,
  run,
  progress,
  interruptions,
  behind = [],
  onRecord,
}: Watch): Promise<StatusOfRun> {
  const care = new QueueCare();
  let last = await statusOf(run);
  let lookedAt = 0;
  const isRunOver = async () => {
    if (Date.now() - lookedAt < lookMs / 2) return false;
    lookedAt = Date.now();
    last = await statusOf(run);
    if (last.status === 'queued') await explainWaiting(store, run, progress, care);
    if (last.status === 'stale') progress.wait(last.reason);
    if (last.isRunnerSilent && interruptions.happened) {
      await endIfSilent({ store, run, onSilent: reason => progress.say(`${reason}: waking it, else ending it`) });
    }
    if (last.status === 'paused') progress.wait(`paused: ${last.reason || `holdfast resume ${run.id}`}`);
    return isOver(last.status);
  };
  const release = interruptions.direct(async times => {
    progress.say(
      times === 1 ? 'Stopping: the step is finished and saved. Ctrl-C again stops at once.' : 'Stopping at once.',
    );
    if (times === 1) for (const waiting of behind) await sendControl(waiting, 'stop');
    await sendControl(run, 'stop');
  });
  try {
    for await (const record of followJournal(run, { pollMs: lookMs, isOver: isRunOver })) {
      onRecord(record);
      // The exit record follows at once: no need to wait for the next look.
      if (record.type === 'exited') lookedAt = 0;
    }
  } finally {
    release();
  }
  progress.end(last.reason || last.status);
  return last;
}

async function explainWaiting(store: Store, run: RunFolder, progress: Progress, care: QueueCare): Promise<void> {
  const { held } = await readQueue(store);
  if (held) return progress.wait(`held: ${held.reason} (holdfast queue release)`);
  const elsewhere = await lockedElsewhere(store.runnerLock);
  if (elsewhere) return progress.wait(elsewhere);
  const holder = await lockHolder(store.runnerLock);
  const running = holder && (await runningNow(store, run));
  const wanted = care.look(running ? 'busy' : holder ? 'idle' : 'none');
  if (wanted === 'wait') return holder ? progress.wait(running ?? 'starting') : undefined;
  // It may have been taken between our two looks.
  if ((await statusOf(run)).status !== 'queued') return;
  if (wanted === 'give up') throw await noRunner(store);
  progress.say('No runner lives that would take it: another one is started.');
  await startRunner(store);
}

async function runningNow(store: Store, waiting: RunFolder): Promise<string | null> {
  for (const id of await store.runIds()) {
    if (id === waiting.id) continue;
    const { status, step } = await statusOf(store.run(id));
    if (status === 'paused') return `waits for ${id} (step ${step}, paused)`;
    if (status === 'running') return `waits for ${id} (step ${step})`;
  }
  return null;
}

/** Ctrl-C and the end of the terminal, told to whichever run is being watched. */
export class Interruptions {
  #times = 0;
  #receiver: ((times: number) => Promise<void>) | null = null;
  readonly #receive = () => {
    this.#times += 1;
    this.#receiver?.(this.#times).catch(error => process.stderr.write(`holdfast: ${error.message}\n`));
  };

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, this.#receive);
  }

  get happened(): boolean {
    return this.#times > 0;
  }

  direct(receiver: (times: number) => Promise<void>): () => void {
    this.#receiver = receiver;
    return () => {
      this.#receiver = null;
    };
  }

  end(): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, this.#receive);
  }
}
