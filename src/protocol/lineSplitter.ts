/**
 * Splits a byte stream into lines. Works on bytes, because a chunk can end in the middle of a character. A line over
 * the limit is dropped and told as one. Knows nothing of JSON.
 */
export type Line = { text: string; bytes: number } | { tooLong: true; bytes: number };

const newline = 10;

export class LineSplitter {
  readonly #limit: number;
  readonly #decoder = new TextDecoder();
  #parts: Uint8Array[] = [];
  #held = 0;

  constructor(limit = 8 * 1024 * 1024) {
    this.#limit = limit;
  }

  /** Bytes seen since the last newline. */
  get pending(): number {
    return this.#held;
  }

  /** The whole lines that end in this chunk; `bytes` counts the newline. */
  push(chunk: Uint8Array): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
      this.#hold(chunk.subarray(from, at));
      lines.push(this.#take(1));
      from = at + 1;
    }
    this.#hold(chunk.subarray(from));
    return lines;
  }

  /** What is left at the end of the stream: a last line without a newline. */
  end(): Line | null {
    return this.#held === 0 ? null : this.#take(0);
  }

  #hold(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#held += part.length;
    if (this.#held > this.#limit) this.#parts = [];
    // A copy: the stream may use its buffer again.
    else this.#parts.push(part.slice());
  }

  #take(newlineBytes: number): Line {
    const bytes = this.#held + newlineBytes;
    const tooLong = this.#held > this.#limit;
    const text = tooLong ? '' : this.#decode();
    this.#parts = [];
    this.#held = 0;
    return tooLong ? { tooLong, bytes } : { text, bytes };
  }

  #decode(): string {
    if (this.#parts.length === 1) return this.#decoder.decode(this.#parts[0]);
    const whole = new Uint8Array(this.#held);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return this.#decoder.decode(whole);
  }
}
