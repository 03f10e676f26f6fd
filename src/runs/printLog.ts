/** A log of what a program prints, cut off when it has grown long. Knows nothing of the program. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';

const longestLog = 16 * 1024 * 1024;

/** What a trainer prints. A log that cannot be written, or has grown long, is no reason to stop training. */
export class PrintLog {
  #descriptor: number | null = null;
  #written = 0;

  constructor(file: string | undefined) {
    if (!file) return;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);
    try {
      this.#descriptor = openSync(file, flags, 0o644);
    } catch {
      this.#descriptor = null;
    }
  }

  write(what: string | Uint8Array): void {
    if (this.#descriptor === null || this.#written > longestLog) return;
    const bytes = typeof what === 'string' ? Buffer.from(what) : what;
    this.#written += bytes.length;
    try {
      writeSync(this.#descriptor, bytes);
      if (this.#written > longestLog) writeSync(this.#descriptor, Buffer.from('\n[the rest is left out]\n'));
    } catch {
      this.close();
    }
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}
