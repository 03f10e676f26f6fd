/** A log of what a program prints, without tokens, cut off when it has grown long. Knows nothing of the program. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { redact } from './redact.ts';

const longestLog = 16 * 1024 * 1024;
const longestWord = 1024;

/** What a trainer prints. A log that cannot be written, or has grown long, is no reason to stop training. */
export class PrintLog {
  #descriptor: number | null = null;
  #written = 0;
  /** The last word, which may still go on: a token must not slip through in two pieces. */
  #begun = '';

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
    // One letter a byte: nothing is lost, whatever the program takes for text.
    const text = this.#begun + Buffer.from(what).toString('latin1');
    const border = text.length - (/[!-~]*$/.exec(text.slice(-longestWord))?.[0].length ?? 0);
    this.#begun = text.slice(border);
    this.#put(text.slice(0, border));
  }

  #put(text: string): void {
    if (this.#descriptor === null || text === '') return;
    this.#written += text.length;
    try {
      writeSync(this.#descriptor, Buffer.from(redact(text), 'latin1'));
      if (this.#written > longestLog) writeSync(this.#descriptor, Buffer.from('\n[the rest is left out]\n'));
    } catch {
      this.#closeFile();
    }
  }

  close(): void {
    this.#put(this.#begun);
    this.#begun = '';
    this.#closeFile();
  }

  #closeFile(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}
