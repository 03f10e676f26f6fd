/**
 * What a page shows of runs: follows them while it is open, tells the channel which parts changed, and reads buckets
 * and new points out of their series. Knows no webview.
 */
import type * as vscode from 'vscode';
import { estimateBuckets, estimatesSince } from '../../domain/estimates.ts';
import { changesOf } from '../../domain/runChanges.ts';
import type { NewPoints, RunView } from '../../protocol/panel.ts';
import type { FollowedRun } from '../runs/followedRun.ts';
import type { RunLease, RunsModel } from '../runs/runsModel.ts';
import type { PageChannel, SeriesSource } from './pageChannel.ts';

/** Numbers beside the charts need no more than this; points travel at their own pace. */
const viewPauseMs = 200;

export class RunFeed implements SeriesSource, vscode.Disposable {
  readonly #model: RunsModel;
  readonly #shown = new Map<string, ShownRun>();
  /** Set by the panel once it has a page to talk to. */
  channel: PageChannel | undefined;

  constructor(model: RunsModel) {
    this.#model = model;
  }

  get ids(): string[] {
    return [...this.#shown.keys()];
  }

  /** Follows these runs and no others. Runs that are gone are left out. */
  show(ids: readonly string[]): void {
    for (const [id, shown] of this.#shown) {
      if (ids.includes(id) && this.#model.get(id)) continue;
      shown.dispose();
      this.#shown.delete(id);
    }
    for (const id of ids) {
      if (this.#shown.has(id)) continue;
      const lease = this.#model.follow(id);
      if (lease) this.#shown.set(id, new ShownRun(lease, () => this.channel));
    }
  }

  run(id: string): FollowedRun | undefined {
    return this.#shown.get(id)?.run;
  }

  /** The runs as they are now, each read to the end of its journal first. */
  async views(): Promise<RunView[]> {
    return Promise.all([...this.#shown.values()].map(shown => shown.firstView()));
  }

  buckets(wanted: { run: string; name: string; from?: number; to?: number; columns: number }) {
    const { run, name, from, to, columns } = wanted;
    const followed = this.run(run);
    const series = followed?.series(name);
    const buckets = followed && estimateBuckets(each => followed.series(each), name, from, to, columns);
    return series && buckets && { buckets: { run, name, ...buckets }, cursor: series.length };
  }

  since(run: string, name: string, cursor: number): { points: NewPoints; cursor: number } | undefined {
    const followed = this.run(run);
    const length = followed?.series(name)?.length ?? 0;
    if (!followed || length <= cursor) return undefined;
    const points = estimatesSince(each => followed.series(each), name, cursor);
    return points && { points: { run, name, ...points }, cursor: length };
  }

  dispose(): void {
    this.show([]);
    this.channel = undefined;
  }
}

class ShownRun implements vscode.Disposable {
  readonly #lease: RunLease;
  readonly #channel: () => PageChannel | undefined;
  readonly #listener: vscode.Disposable;
  #sent: RunView | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(lease: RunLease, channel: () => PageChannel | undefined) {
    this.#lease = lease;
    this.#channel = channel;
    this.#listener = lease.run.onDidChange(change => {
      if (change.replaced) channel()?.seriesReplaced();
      channel()?.pointsArrived();
      this.#timer ??= setTimeout(() => this.#tell(), viewPauseMs);
    });
  }

  get run(): FollowedRun {
    return this.#lease.run;
  }

  async firstView(): Promise<RunView> {
    await this.run.caughtUp;
    this.#sent = this.run.view();
    return this.#sent;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#listener.dispose();
    this.#lease.dispose();
  }

  #tell(): void {
    this.#timer = undefined;
    const before = this.#sent;
    if (!before) return;
    this.#sent = this.run.view();
    const changes = changesOf(before, this.#sent);
    if (changes) this.#channel()?.runChanged(this.run.id, changes);
  }
}
