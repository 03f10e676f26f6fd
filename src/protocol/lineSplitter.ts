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
      const part = chunk.subarray(from, at);
      lines.push(this.#held === 0 ? this.#whole(part, 1) : this.#finish(part, 1));
      from = at + 1;
    }
    this.#hold(chunk.subarray(from));
    return lines;
  }

  /** What is left at the end of the stream: a last line without a newline. */
  end(): Line | null {
    return this.#held === 0 ? null : this.#finish(new Uint8Array(0), 0);
  }

  #hold(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#held += part.length;
    if (this.#held > this.#limit) this.#parts = [];
    // A copy, since the stream may use its memory again; `slice` of a Node buffer would be none.
    else this.#parts.push(new Uint8Array(part));
  }

  #finish(last: Uint8Array, newlineBytes: number): Line {
    this.#hold(last);
    const length = this.#held;
    const parts = this.#parts;
    this.#parts = [];
    this.#held = 0;
    if (length > this.#limit) return { tooLong: true, bytes: length + newlineBytes };
    const whole = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return this.#whole(whole, newlineBytes);
  }

  #whole(line: Uint8Array, newlineBytes: number): Line {
    const bytes = line.length + newlineBytes;
    return line.length > this.#limit ? { tooLong: true, bytes } : { text: this.#decoder.decode(line), bytes };
  }
}
