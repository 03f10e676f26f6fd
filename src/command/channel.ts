/**
 * The way between us and the callback inside the user's program: files in the folder of the prepared data. Files and no
 * descriptors, because launchers between the two close those. Knows nothing of what the lines mean.
 */
import { appendFileSync, closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LineSplitter } from '../protocol/lineSplitter.ts';

/** What a callback obeys. */
export type Order = 'stop' | 'checkpoint' | 'pause' | 'resume';

export const channelFiles = { task: 'task.json', said: 'said.ndjson', orders: 'orders.ndjson' } as const;

export class Channel {
  readonly #said: string;
  readonly #orders: string;
  readonly #lines = new LineSplitter();
  readonly #chunk = Buffer.alloc(256 * 1024);
  #at = 0;

  /** Makes the files; `task` is what the callback is to do. */
  constructor(folder: string, task: object) {
    this.#said = join(folder, channelFiles.said);
    this.#orders = join(folder, channelFiles.orders);
    for (const file of [this.#said, this.#orders]) writeFileSync(file, '');
    writeFileSync(join(folder, channelFiles.task), JSON.stringify(task));
  }

  give(order: Order): void {
    appendFileSync(this.#orders, `${JSON.stringify({ order })}\n`);
  }

  /** Whole lines that are new since the last look. */
  news(): string[] {
    const file = openSync(this.#said, 'r');
    try {
      const found: string[] = [];
      for (;;) {
        const read = readSync(file, this.#chunk, 0, this.#chunk.length, this.#at);
        if (read === 0) return found;
        this.#at += read;
        for (const line of this.#lines.push(this.#chunk.subarray(0, read))) {
          found.push('text' in line ? line.text : '');
        }
      }
    } finally {
      closeSync(file);
    }
  }
}
