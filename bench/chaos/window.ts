/** Somebody who watches a run through the real follower, and remembers what was seen. */
import { followJournalBatches, readJournal } from '../../src/runs/journal.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';

export class Window {
  readonly #closing = new AbortController();
  readonly #over: Promise<void>;
  /** One line a record, in the order they came. */
  readonly seen: string[] = [];

  constructor(run: RunFolder) {
    this.#over = this.#follow(run);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#over;
  }

  async #follow(run: RunFolder): Promise<void> {
    const { signal } = this.#closing;
    for await (const { records } of followJournalBatches(run, { signal, pollMs: 200 }))
      this.seen.push(...records.map(lineOf));
  }
}

export interface JournalNow {
  lines: string[];
  /** Gaps and damaged lines. */
  damage: number;
}

export async function journalNow(run: RunFolder): Promise<JournalNow> {
  const lines: string[] = [];
  let damage = 0;
  for await (const batch of readJournal(run)) {
    lines.push(...batch.records.map(lineOf));
    damage = batch.damage.badLines + batch.damage.gaps + batch.damage.unknown;
  }
  return { lines, damage };
}

/** How many records a window saw that are not in the journal at their place. */
export function lostOf(seen: readonly string[], { lines }: JournalNow): number {
  return seen.filter((line, place) => line !== lines[place]).length;
}

const lineOf = (record: { seq: number; attempt: number; type: string; t: number; step?: unknown }): string =>
  `${record.seq} ${record.attempt} ${record.type} ${record.step ?? ''} ${record.t}`;
