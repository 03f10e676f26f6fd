/**
 * The list of runs, quickly: a cache of summaries and of view state in `index.json`, through lowdb. The truth is one
 * folder a run; the index is made anew when it is missing, broken or older. One writer at a time, under a lock, because
 * two windows are two processes.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Adapter, Low } from 'lowdb';
import { z } from 'zod';
import { tryLock, waitForLock } from './lock.ts';
import { type RunSummary, runSummarySchema, summarise } from './runSummary.ts';
import { RunsError, systemCode } from './runsError.ts';
import { readJsonChecked, writeFileSafely } from './safeFile.ts';
import { isOver } from './status.ts';
import type { Store } from './store.ts';

const indexVersion = 1;
const largestIndex = 256 * 1024 * 1024;

const indexSchema = z.object({
  v: z.literal(indexVersion),
  /** `changed`: when the run's folder last changed; equal means that the summary still holds. */
  runs: z.record(z.string(), z.object({ changed: z.number(), summary: runSummarySchema })),
  /** What views remember: sorting, what is folded. */
  view: z.record(z.string(), z.unknown()),
});
type IndexData = z.infer<typeof indexSchema>;

const emptyIndex = (): IndexData => ({ v: indexVersion, runs: {}, view: {} });

export class RunIndex {
  readonly #store: Store;
  readonly #db: Low<IndexData>;
  readonly #mayWrite: boolean;

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
    const summaries = Object.values(this.#db.data.runs).map(entry => entry.summary);
    return summaries.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
  }

  /** Looks at the folders: what is over and unchanged is taken from the cache, the rest is read again. */
  async refresh(): Promise<RunSummary[]> {
    const before = this.#db.data.runs;
    const runs: IndexData['runs'] = {};
    let changes = 0;
    for (const id of await this.#store.runIds()) {
      const known = before[id];
      const changed = await changedAt(this.#store.run(id).folder);
      if (changed === null) continue;
      if (known && known.changed === changed && isOver(known.summary.status)) {
        runs[id] = known;
        continue;
      }
      const summary = await summarise(this.#store.run(id));
      if (!summary) continue;
      runs[id] = { changed, summary };
      if (!known || JSON.stringify(known.summary) !== JSON.stringify(summary)) changes += 1;
    }
    const removed = Object.keys(before).filter(id => !(id in runs)).length;
    this.#db.data.runs = runs;
    if (changes + removed > 0) await this.#save();
    return this.runs;
  }

  view<T>(key: string, schema: z.ZodType<T>): T | undefined {
    const checked = schema.safeParse(this.#db.data.view[key]);
    return checked.success ? checked.data : undefined;
  }

  /** Keeps what other windows have remembered meanwhile. */
  async remember(key: string, value: unknown): Promise<void> {
    this.#db.data.view[key] = value;
    if (!this.#mayWrite) return;
    await this.#store.prepare();
    const lock = await waitForLock(this.#lockFile);
    try {
      const { runs } = this.#db.data;
      await this.#db.read();
      this.#db.data = { v: indexVersion, runs, view: { ...this.#db.data.view, [key]: value } };
      await this.#db.write();
    } finally {
      lock.release();
    }
  }

  /** A cache: whoever gets no lock, or may not write here, goes without. */
  async #save(): Promise<void> {
    if (!this.#mayWrite) return;
    try {
      const attempt = await tryLock(this.#lockFile);
      if (attempt.held) await this.#write().finally(attempt.lock.release);
    } catch (error) {
      if (!(error instanceof RunsError)) throw error;
    }
  }

  async #write(): Promise<void> {
    const { runs } = this.#db.data;
    const onDisk = new Low<IndexData>(new SafeAdapter(join(this.#store.folder, 'index.json')), emptyIndex());
    await onDisk.read();
    this.#db.data = { v: indexVersion, runs, view: { ...this.#db.data.view, ...onDisk.data.view } };
    await this.#db.write();
  }

  get #lockFile(): string {
    return join(this.#store.folder, 'index.lock');
  }
}

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
    await writeFileSafely(this.#file, JSON.stringify(data));
  }
}

/** Every small file of a run is renamed into place, so the folder's own time tells of any change. */
async function changedAt(folder: string): Promise<number | null> {
  try {
    return (await stat(folder)).mtimeMs;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}
