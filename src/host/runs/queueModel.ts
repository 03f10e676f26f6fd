/** The queues of the workspace's stores: which run comes when, and whether any is taken. Polled, as the runs are. */
import { stat } from 'node:fs/promises';
import * as vscode from 'vscode';
import { lockedElsewhere } from '../../runs/lock.ts';
import { emptyQueue, inQueueOrder, type Queue, readQueue } from '../../runs/queue.ts';
import type { Store } from '../../runs/store.ts';
import type { RunEntry, RunsModel } from './runsModel.ts';

const pollMs = 1000;

export class QueueModel implements vscode.Disposable {
  readonly #model: RunsModel;
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #listener: vscode.Disposable;
  readonly #queues = new Map<string, { queue: Queue; changedAt: number; elsewhere: string | null }>();
  /** When one more attempt of a run was asked for. */
  readonly #resumedAt = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #isDisposed = false;
  #waiting = '';

  /** An order, a hold, or what waits. */
  readonly onDidChange = this.#changed.event;
  readonly #held = new vscode.EventEmitter<string>();
  /** A run failed while this window was open, and the queue waits for somebody: its id. */
  readonly onDidHold = this.#held.event;

  constructor(model: RunsModel, log: vscode.LogOutputChannel) {
    this.#model = model;
    this.#log = log;
    this.#listener = model.onDidChange(() => void this.#runsChanged());
    this.#pollSoon();
  }

  queueOf({ folder }: Store): Queue {
    return this.#queues.get(folder)?.queue ?? emptyQueue;
  }

  /** Who on another machine keeps the queue from going on here, in words with the remedy. */
  elsewhere({ folder }: Store): string | null {
    return this.#queues.get(folder)?.elsewhere ?? null;
  }

  /** The head of each store's queue first. */
  sorted(runs: readonly RunEntry[]): RunEntry[] {
    const stores = new Map(runs.map(({ store }) => [store.folder, store]));
    return [...stores.values()].flatMap(store =>
      inQueueOrder(
        runs.filter(run => run.store.folder === store.folder),
        this.queueOf(store),
        ({ id, createdAt }) => ({ id, since: this.#resumedAt.get(id) ?? createdAt }),
      ),
    );
  }

  /** Resolves once what is known is what the files say. */
  async refresh(): Promise<void> {
    let isNew = false;
    for (const store of this.#model.stores) isNew = (await this.#read(store)) || isNew;
    if (isNew && !this.#isDisposed) this.#changed.fire();
  }

  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#listener.dispose();
    this.#changed.dispose();
    this.#held.dispose();
  }

  #pollSoon(): void {
    const look = () => this.refresh().catch(error => this.#log.error('A queue could not be read', error));
    this.#timer = setTimeout(() => void look().finally(() => this.#isDisposed || this.#pollSoon()), pollMs);
  }

  async #read(store: Store): Promise<boolean> {
    const changedAt = await stat(store.queueFile).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
    const elsewhere = await lockedElsewhere(store.runnerLock);
    const before = this.#queues.get(store.folder);
    if (before?.changedAt === changedAt && before.elsewhere === elsewhere) return false;
    const queue = await readQueue(store);
    this.#queues.set(store.folder, { queue, changedAt, elsewhere });
    if (before && !before.queue.held && queue.held?.run) this.#held.fire(queue.held.run);
    return true;
  }

  async #runsChanged(): Promise<void> {
    const waiting = this.#model.runs.filter(({ status }) => status === 'queued');
    const ids = waiting.map(({ id }) => id).join();
    if (ids === this.#waiting) return;
    this.#waiting = ids;
    for (const { id, folder } of waiting) {
      const resume = await folder.resume().catch(() => null);
      if (resume) this.#resumedAt.set(id, resume.t);
    }
    if (!this.#isDisposed) this.#changed.fire();
  }
}
