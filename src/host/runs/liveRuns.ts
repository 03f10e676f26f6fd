/** Follows every run that is going on, so that rows, status bar and notifications know of its steps and of its end. */
import * as vscode from 'vscode';
import { isOver } from '../../runs/status.ts';
import { isLive, type RunEntry, type RunLease, type RunsModel } from './runsModel.ts';

const pauseMs = 500;

export class LiveRuns implements vscode.Disposable {
  readonly #model: RunsModel;
  readonly #leases = new Map<string, { lease: RunLease; listener: vscode.Disposable; timer?: NodeJS.Timeout }>();
  readonly #ended = new vscode.EventEmitter<RunEntry>();
  readonly #listener: vscode.Disposable;

  /** A run that was seen alive in this window is over. */
  readonly onDidEnd = this.#ended.event;

  constructor(model: RunsModel) {
    this.#model = model;
    this.#listener = model.onDidChange(() => this.#update());
    this.#update();
  }

  /** The run that the status bar speaks of: the one that was started last. */
  get current(): { run: RunEntry; lease: RunLease } | undefined {
    for (const run of this.#model.runs) {
      const followed = this.#leases.get(run.id);
      if (followed) return { run, lease: followed.lease };
    }
    return undefined;
  }

  dispose(): void {
    this.#listener.dispose();
    for (const id of this.#leases.keys()) this.#release(id);
    this.#ended.dispose();
  }

  #update(): void {
    for (const run of this.#model.runs) {
      const isFollowed = this.#leases.has(run.id);
      if (isLive(run) && run.status !== 'queued' && !isFollowed) this.#follow(run.id);
      if (!isLive(run) && isFollowed) {
        this.#release(run.id);
        this.#ended.fire(run);
      }
    }
    for (const id of this.#leases.keys()) if (!this.#model.get(id)) this.#release(id);
  }

  #follow(id: string): void {
    const lease = this.#model.follow(id);
    if (!lease) return;
    const listener = lease.run.onDidChange(() => {
      const followed = this.#leases.get(id);
      if (followed && !followed.timer) followed.timer = setTimeout(() => this.#tell(id), pauseMs);
    });
    this.#leases.set(id, { lease, listener });
  }

  #tell(id: string): void {
    const followed = this.#leases.get(id);
    if (!followed) return;
    followed.timer = undefined;
    const { state } = followed.lease.run;
    const checkpoints = state.marks.flatMap(({ kind, step, text }) =>
      kind === 'checkpoint' ? [{ step, folder: text, bytes: 0 }] : [],
    );
    const known = this.#model.get(id)?.checkpoints ?? [];
    this.#model.tell(id, {
      step: state.step,
      steps: state.steps,
      loss: state.series.get('loss')?.last ?? null,
      ...(checkpoints.length !== known.length && {
        checkpoints: checkpoints.map(at => known.find(({ step }) => step === at.step) ?? at),
      }),
    });
    // The end is in the folder before it is in the list.
    if (isOver(followed.lease.run.status)) void this.#model.refresh();
  }

  #release(id: string): void {
    const followed = this.#leases.get(id);
    this.#leases.delete(id);
    clearTimeout(followed?.timer);
    followed?.listener.dispose();
    followed?.lease.dispose();
  }
}
