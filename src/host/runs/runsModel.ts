/**
 * All runs of the workspace: which there are, what they are doing, and a follower for each that somebody looks at. The
 * folders are the truth; they are polled, because a run may be started by a terminal, another window or another machine.
 */
import { stat } from 'node:fs/promises';
import * as vscode from 'vscode';
import type { RunFolder } from '../../runs/runFolder.ts';
import { RunIndex } from '../../runs/runIndex.ts';
import type { RunSummary } from '../../runs/runSummary.ts';
import { isOver, statusOf } from '../../runs/status.ts';
import type { Store } from '../../runs/store.ts';
import { isRecipeUri } from '../recipe/recipeDocuments.ts';
import { FollowedRun } from './followedRun.ts';
import { storesOf, storesOfWorkspace } from './workspaceStores.ts';

export interface RunEntry extends RunSummary {
  /** The user's choice, else by when it was made: runs of one comparison look different. */
  colour: number;
  chosenColour: number | null;
  store: Store;
  folder: RunFolder;
}

/** Runs that came, went, or are something else now. */
export interface RunsChange {
  ids: ReadonlySet<string>;
}

/** A follower that lives as long as somebody holds it. */
export interface RunLease extends vscode.Disposable {
  run: FollowedRun;
}

interface KnownStore {
  store: Store;
  index: RunIndex;
  /** When the list of runs last changed. */
  changedAt: number;
  /** What the index last told, in its order: the same object as long as nothing is new. `null` before the first time. */
  told: RunSummary[] | null;
}

const pollMs = 1000;
/** Of a store that nobody has read yet: shown before all of it is known. */
const firstRows = 200;

export const isLive = ({ status }: Pick<RunSummary, 'status'>): boolean => !isOver(status);

export class RunsModel implements vscode.Disposable {
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<RunsChange>();
  readonly #subscriptions: vscode.Disposable[];
  readonly #stores = new Map<string, KnownStore>();
  readonly #followed = new Map<string, { run: FollowedRun; holders: number }>();
  #runs = new Map<string, RunEntry>();
  #list: readonly RunEntry[] = [];
  #byRecipe: ReadonlyMap<string, readonly RunEntry[]> | undefined;
  #looking: Promise<void> | undefined;
  #wasListed = false;
  #timer: NodeJS.Timeout | undefined;
  #isDisposed = false;

  readonly onDidChange = this.#changed.event;

  constructor(log: vscode.LogOutputChannel) {
    this.#log = log;
    this.#subscriptions = [
      this.#changed,
      vscode.workspace.onDidChangeWorkspaceFolders(({ removed }) => this.#forget(removed)),
      vscode.workspace.onDidOpenTextDocument(({ uri }) => isRecipeUri(uri) && void this.refresh()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.#reopen()),
    ];
    this.#pollSoon();
  }

  /** Newest first. */
  get runs(): readonly RunEntry[] {
    return this.#list;
  }

  /** Of the workspace's folders first. */
  get stores(): Store[] {
    return [...this.#stores.values()].map(({ store }) => store);
  }

  get(id: string): RunEntry | undefined {
    return this.#runs.get(id);
  }

  ofRecipe(file: string): readonly RunEntry[] {
    return this.byRecipe.get(file) ?? [];
  }

  /** Found once a change: with many recipes and runs each lens would look at all of them. */
  get byRecipe(): ReadonlyMap<string, readonly RunEntry[]> {
    if (this.#byRecipe) return this.#byRecipe;
    const found = new Map<string, RunEntry[]>();
    for (const run of this.#list) {
      const runs = found.get(run.recipeFile) ?? [];
      found.set(run.recipeFile, runs);
      runs.push(run);
    }
    this.#byRecipe = found;
    return found;
  }

  /** Reads a run's journal from the start and on, once for all who hold it. */
  follow(id: string): RunLease | undefined {
    const entry = this.#runs.get(id);
    if (!entry) return undefined;
    const followed = this.#followed.get(id) ?? { run: new FollowedRun(entry, this.#log), holders: 0 };
    followed.holders += 1;
    this.#followed.set(id, followed);
    let isHeld = true;
    const dispose = () => {
      if (!isHeld) return;
      isHeld = false;
      followed.holders -= 1;
      if (followed.holders > 0) return;
      this.#followed.delete(id);
      followed.run.dispose();
    };
    return { run: followed.run, dispose };
  }

  /** What a follower has seen before the folders tell. */
  tell(
    id: string,
    news: Partial<Pick<RunEntry, 'step' | 'steps' | 'loss' | 'checkpoints' | 'verdict' | 'sets'>>,
  ): void {
    const run = this.#runs.get(id);
    if (!run) return;
    this.#runs.set(id, { ...run, ...news });
    this.#list = [...this.#runs.values()];
    this.#byRecipe = undefined;
    this.#changed.fire({ ids: new Set([id]) });
  }

  /** Resolves once there is a list, which may be some seconds old. */
  async listed(): Promise<void> {
    if (!this.#wasListed) await (this.#looking ?? this.refresh());
  }

  /** Resolves once the list is that of the folders. */
  async refresh(): Promise<void> {
    while (this.#looking) await this.#looking;
    this.#looking = this.#look(true).finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    for (const { run } of this.#followed.values()) run.dispose();
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  #pollSoon(): void {
    if (this.#isDisposed) return;
    this.#timer = setTimeout(() => void this.#poll().finally(() => this.#pollSoon()), pollMs);
  }

  async #poll(): Promise<void> {
    if (this.#looking) return;
    this.#looking = this.#look(false).finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  async #look(isForced: boolean): Promise<void> {
    try {
      for (const store of storesOfWorkspace()) await this.#know(store);
      const unread = [...this.#stores.values()].filter(({ told }) => told === null);
      if (unread.length > 0) await this.#readAgain(unread, ({ index }) => index.newest(firstRows));
      const stale: KnownStore[] = [];
      for (const known of this.#stores.values()) if (isForced || (await this.#hasNews(known))) stale.push(known);
      if (isForced || stale.length > 0) await this.#readAgain(stale);
      this.#wasListed = true;
    } catch (error) {
      this.#log.error('The runs could not be listed', error instanceof Error ? error : String(error));
    }
  }

  async #know(store: Store): Promise<void> {
    if (this.#stores.has(store.folder)) return;
    const index = await RunIndex.open(store, { mayWrite: vscode.workspace.isTrusted });
    this.#stores.set(store.folder, { store, index, changedAt: -1, told: null });
  }

  /** A store that was found by a recipe stays when its document is closed: its runs may be going on. */
  #forget(removed: readonly vscode.WorkspaceFolder[]): void {
    const present = new Set(storesOfWorkspace().map(({ folder }) => folder));
    for (const { folder } of storesOf(removed)) if (!present.has(folder)) this.#stores.delete(folder);
    void this.refresh();
  }

  /** A run came or went, or one that was live is something else now. */
  async #hasNews(known: KnownStore): Promise<boolean> {
    const changedAt = await stat(known.store.runsFolder).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
    if (changedAt !== known.changedAt) {
      known.changedAt = changedAt;
      return true;
    }
    const live = this.runs.filter(run => run.store.folder === known.store.folder && isLive(run));
    const statuses = await Promise.all(live.map(run => statusOf(run.folder)));
    return live.some((run, index) => run.status !== statuses[index]?.status);
  }

  async #readAgain(
    stale: KnownStore[],
    read = ({ index }: KnownStore): Promise<RunSummary[]> => index.refresh(),
  ): Promise<void> {
    const before = this.#runs;
    const unchanged = new Set<string>();
    for (const known of stale) {
      const summaries = await read(known);
      const told = new Set(known.told);
      for (const summary of summaries) if (told.has(summary)) unchanged.add(summary.id);
      known.told = summaries;
    }
    const entries = [...this.#stores.values()].flatMap(known => entriesOf(known, before, unchanged));
    entries.sort((a, b) => b.createdAt - a.createdAt);
    this.#runs = new Map(entries.map(run => [run.id, run]));
    this.#list = entries;
    this.#byRecipe = undefined;
    for (const [id, { run }] of this.#followed) {
      const entry = this.#runs.get(id);
      if (entry) run.describe(entry);
    }
    const change = changeBetween(before, this.#runs);
    if (!change) return;
    for (const id of change.ids) {
      const run = this.#runs.get(id);
      if (run && isLive(run)) this.#followed.get(id)?.run.goOn();
    }
    this.#changed.fire(change);
  }

  /** With trust the index may be written. */
  #reopen(): void {
    this.#stores.clear();
    void this.refresh();
  }
}

/** The very entry of before where nothing is new: ten thousand rows are not compared one by one. */
function entriesOf(
  { store, told }: KnownStore,
  before: ReadonlyMap<string, RunEntry>,
  unchanged: ReadonlySet<string>,
): RunEntry[] {
  if (!told) return [];
  return told.map((summary, index) => {
    const known = before.get(summary.id);
    const colour = summary.colour ?? told.length - 1 - index;
    if (known && known.store.folder === store.folder && unchanged.has(summary.id)) {
      if (known.colour !== colour) known.colour = colour;
      return known;
    }
    const entry = { ...summary, colour, chosenColour: summary.colour, store, folder: store.run(summary.id) };
    return known && sameRow(known, entry) ? known : entry;
  });
}

function changeBetween(before: Map<string, RunEntry>, after: Map<string, RunEntry>): RunsChange | undefined {
  const ids = new Set<string>();
  for (const [id, run] of before) if (after.get(id) !== run) ids.add(id);
  for (const id of after.keys()) if (!before.has(id)) ids.add(id);
  return ids.size > 0 ? { ids } : undefined;
}

/** Colours that nobody chose are no news: they follow from the order. */
function sameRow(a: RunEntry, b: RunEntry): boolean {
  const row = ({ store, folder, colour, ...summary }: RunEntry) => JSON.stringify(summary);
  return a.store.folder === b.store.folder && row(a) === row(b);
}
