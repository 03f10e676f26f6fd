/**
 * Sees to it that what waits in this window's stores is taken: a queue whose runner was killed, now or before the window
 * opened, gets another one. Runs that were made elsewhere are never taken, and ask for none.
 */
import * as vscode from 'vscode';
import { lockHolder } from '../../runs/lock.ts';
import { QueueCare, type RunnerSeen } from '../../runs/queueCare.ts';
import type { Store } from '../../runs/store.ts';
import type { QueueModel } from './queueModel.ts';
import type { RunService } from './runService.ts';
import { isLive, type RunEntry, type RunsModel } from './runsModel.ts';

const pollMs = 1000;

export class ServedQueues implements vscode.Disposable {
  readonly #model: RunsModel;
  readonly #queues: QueueModel;
  readonly #service: RunService;
  readonly #log: vscode.LogOutputChannel;
  readonly #cares = new Map<string, QueueCare>();
  /** Stores of which the user was told that nothing helped. */
  readonly #told = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #isLooking = false;

  constructor(model: RunsModel, queues: QueueModel, service: RunService, log: vscode.LogOutputChannel) {
    this.#model = model;
    this.#queues = queues;
    this.#service = service;
    this.#log = log;
    this.#timer = setInterval(() => void this.#look(), pollMs);
  }

  dispose(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isLooking || !vscode.workspace.isTrusted) return;
    this.#isLooking = true;
    try {
      for (const store of this.#model.stores) await this.#lookAt(store);
    } catch (error) {
      this.#log.error('A queue could not be given a runner', error instanceof Error ? error : String(error));
    } finally {
      this.#isLooking = false;
    }
  }

  async #lookAt(store: Store): Promise<void> {
    const runs = this.#model.runs.filter(run => run.store.folder === store.folder && !run.foreign);
    if (this.#queues.queueOf(store).held || !runs.some(({ status }) => status === 'queued')) {
      this.#forget(store);
      return;
    }
    const care = this.#cares.get(store.folder) ?? new QueueCare();
    this.#cares.set(store.folder, care);
    switch (care.look(await runnerOf(store, runs))) {
      case 'start':
        this.#log.info(`Runs wait in ${store.folder} and no runner lives: starting one`);
        return this.#service.serve(store);
      case 'give up':
        return this.#tell(store);
      case 'wait':
    }
  }

  #forget({ folder }: Store): void {
    this.#cares.delete(folder);
    this.#told.delete(folder);
  }

  #tell(store: Store): void {
    if (this.#told.has(store.folder)) return;
    this.#told.add(store.folder);
    this.#log.error(`No runner takes what waits in ${store.folder}: see ${store.runnerLog}`);
    const again = vscode.l10n.t('Try Again');
    const text = vscode.l10n.t('Runs wait in {0}, and no runner takes them. Its log: {1}', store.root, store.runnerLog);
    void vscode.window.showErrorMessage(text, again).then(chosen => chosen === again && this.#forget(store));
  }
}

async function runnerOf(store: Store, runs: readonly RunEntry[]): Promise<RunnerSeen> {
  if ((await lockHolder(store.runnerLock)) === null) return 'none';
  return runs.some(run => isLive(run) && run.status !== 'queued') ? 'busy' : 'idle';
}
