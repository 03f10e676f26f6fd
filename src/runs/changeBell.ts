/** Tells when a file may have changed: a watcher where it works, a poll everywhere. Knows nothing of what is in it. */
import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';

/** The watcher is quick and not to be trusted alone; the poll is sure. */
export class ChangeBell {
  #watcher: FSWatcher | null = null;
  #rung = false;
  #wake: (() => void) | null = null;
  readonly #pollMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #ring = (): void => {
    this.#rung = true;
    this.#wake?.();
  };

  constructor(file: string, pollMs: number, signal: AbortSignal | undefined) {
    this.#pollMs = pollMs;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#ring);
    try {
      // The folder, because the journal may not exist yet.
      this.#watcher = watch(dirname(file), { persistent: false }, this.#ring);
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      this.#watcher = null;
    }
  }

  async next(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, this.#pollMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = null;
    this.#rung = false;
  }

  close(): void {
    this.#watcher?.close();
    this.#signal?.removeEventListener('abort', this.#ring);
  }
}
