/**
 * The list of runs, quickly: a cache of summaries in `index.json`, through lowdb. The truth is one folder a run; the
 * index is made anew when it is missing, broken or older. One writer at a time, under a lock, because two windows are two
 * processes.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Adapter, Low } from 'lowdb';
import * as z from 'zod';
import { tryLock } from './lock.ts';
import type { RunFolder } from './runFolder.ts';
import { OutcomeReader } from './runOutcome.ts';
import { type RunSummary, runSummarySchema, summarise } from './runSummary.ts';
import { RunsError } from './runsError.ts';
import { readJsonChecked, removeTornWrites, writeFileSafely } from './safeFile.ts';
import { isOver } from './status.ts';
import type { Store } from './store.ts';

const indexVersion = 3;
const largestIndex = 64 * 1024 * 1024;
/** Read at once: more only wait for each other. */
const atOnce = 16;
/** File systems tell times this coarsely: what changed so lately may have changed again within the same tick. */
const settledAfterMs = 2000;

const entrySchema = z.object({
  /** When the run's folder last changed; equal means that the summary still holds. */
  changed: z.number(),
  summary: runSummarySchema,
});
const indexSchema = z.object({ v: z.literal(indexVersion), runs: z.record(z.string(), entrySchema) });
type IndexData = z.infer<typeof indexSchema>;
type Entry = z.infer<typeof entrySchema>;

const emptyIndex = (): IndexData => ({ v: indexVersion, runs: {} });

export class RunIndex {
  readonly #store: Store;
  readonly #db: Low<IndexData>;
  readonly #mayWrite: boolean;
  /** Of runs that go on. */
  readonly #outcomes = new Map<string, OutcomeReader>();

  private constructor(store: Store, mayWrite: boolean) {
    this.#store = store;
    this.#mayWrite = mayWrite;
    this.#db = new Low<IndexData>(new SafeAdapter(join(store.folder, 'index.json')), emptyIndex());
  }

  /** `mayWrite: false` in a workspace that is not trusted: nothing is written into it. */
  static async open(store: Store, options: { mayWrite: boolean }): Promise<RunIndex> {
    const index = new RunIndex(store, options.mayWrite);
    await index.#db.read();
    return index;
  }

  /** Newest first, as last refreshed. */
  get runs(): RunSummary[] {
    return Object.values(this.#db.data.runs)
      .map(entry => entry.summary)
      .sort(byAge);
  }

  /** Looks at the folders: what is over and unchanged is taken from the cache, the rest is read again. */
  async refresh(): Promise<RunSummary[]> {
    const before = this.#db.data.runs;
    const runs: IndexData['runs'] = {};
    let changes = 0;
    for (const [id, entry] of await this.#entries(await this.#store.runIds())) {
      runs[id] = entry;
      if (entry !== before[id]) changes += 1;
    }
    const removed = Object.keys(before).filter(id => !Object.hasOwn(runs, id)).length;
    this.#db.data.runs = runs;
    if (changes + removed > 0) await this.#save();
    return this.runs;
  }

  /** The newest alone, for a list that is to show something before ten thousand folders were looked at. */
  async newest(many: number): Promise<RunSummary[]> {
    const ids = (await this.#store.runIds()).slice(0, many);
    return (await this.#entries(ids)).map(([, { summary }]) => summary).sort(byAge);
  }

  /** Of those folders that hold a run. */
  async #entries(ids: readonly string[]): Promise<[string, Entry][]> {
    const known = this.#db.data.runs;
    const found: [string, Entry][] = [];
    for (let at = 0; at < ids.length; at += atOnce) {
      const piece = ids.slice(at, at + atOnce);
      const entries = await Promise.all(
        piece.map(id => this.#entry(id, Object.hasOwn(known, id) ? known[id] : undefined)),
      );
      for (const [number, id] of piece.entries()) {
        const entry = entries[number];
        if (entry) found.push([id, entry]);
      }
    }
    return found;
  }

  /** The very entry that was known when nothing is new. */
  async #entry(id: string, known: Entry | undefined): Promise<Entry | null> {
    const run = this.#store.run(id);
    const changed = changedAt(run);
    if (changed === null) return null;
    // The index may have come with a repository: what it says is taken for this run alone.
    if (known?.summary.id === id && known.changed === changed && isOver(known.summary.status)) return known;
    const outcome = this.#outcomes.get(id) ?? new OutcomeReader();
    this.#outcomes.delete(id);
    const summary = await summarise(this.#store, run, outcome);
    if (!summary) return null;
    if (!isOver(summary.status)) this.#outcomes.set(id, outcome);
    const isSettled = Date.now() - changed > settledAfterMs;
    const isSame = known && JSON.stringify(known.summary) === JSON.stringify(summary);
    if (isSame && (!isSettled || known.changed === changed)) return known;
    return { changed: isSettled ? changed : 0, summary };
  }

  /** A cache: whoever gets no lock, or may not write here, goes without. */
  async #save(): Promise<void> {
    if (!this.#mayWrite) return;
    try {
      const attempt = await tryLock(join(this.#store.folder, 'index.lock'));
      if (attempt.held) await this.#db.write().finally(attempt.lock.release);
    } catch (error) {
      if (!(error instanceof RunsError)) throw error;
    }
  }
}

const byAge = (a: RunSummary, b: RunSummary): number => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1);

/** lowdb's own adapter names its temporary file the same in all processes and never syncs. */
class SafeAdapter implements Adapter<IndexData> {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** Broken, too large, a link, of another version: as if it were not there. */
  async read(): Promise<IndexData | null> {
    return readJsonChecked(this.#file, indexSchema, largestIndex).catch(() => null);
  }

  async write(data: IndexData): Promise<void> {
    removeTornWrites(this.#file);
    await writeFileSafely(this.#file, JSON.stringify(data));
  }
}

/**
 * Every small file of a run is renamed into place, so the folder's own time tells of any change; notes are written in
 * place by editors, and checkpoints come and go in a folder of their own.
 */
function changedAt({ folder, notes, checkpoints }: RunFolder): number | null {
  const own = timeOf(folder);
  return own && Math.max(own, timeOf(notes) ?? 0, timeOf(checkpoints) ?? 0);
}

const timeOf = (path: string): number | null => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null;
