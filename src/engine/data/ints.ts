/**
 * Lists of whole numbers that are as long as the data, in as few bytes as they need. Knows nothing of what they count.
 */
import { randomBytes } from 'node:crypto';
import { openSync, readSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeError } from '../atomicFile.ts';
import { EngineError } from '../engineError.ts';

export type Ints = Uint8Array | Uint16Array | Int32Array;

/** Tries a write again until there is room on the disk, or fails. */
export type WhenThereIsRoom = <T>(write: () => Promise<T>) => Promise<T>;

/** Of a file that is not whole yet, or of use to one process alone: behind the number of that process. */
export const partEnding = '.part';

export const bytesOf = (ints: Int32Array): Uint8Array => new Uint8Array(ints.buffer, ints.byteOffset, ints.byteLength);

/** `length` zeros, of a type that holds numbers from 0 to `most`. */
export function makeInts(length: number, most: number): Ints {
  if (most < 2 ** 8) return new Uint8Array(length);
  return most < 2 ** 16 ? new Uint16Array(length) : new Int32Array(length);
}

/** Grows without ever being there twice as a whole. */
export class GrowingInts {
  static readonly #partLength = 2 ** 18;
  readonly #most: number;
  readonly #parts: Ints[] = [];
  #length = 0;

  constructor(most: number) {
    this.#most = most;
  }

  push(value: number): void {
    if (value < 0 || value > this.#most) throw new RangeError(`${value} is not within 0 and ${this.#most}`);
    const at = this.#length % GrowingInts.#partLength;
    if (at === 0) this.#parts.push(makeInts(GrowingInts.#partLength, this.#most));
    this.#parts.at(-1)![at] = value;
    this.#length += 1;
  }

  /** Empties it. */
  whole(): Ints {
    const whole = makeInts(this.#length, this.#most);
    for (let from = 0; this.#parts.length > 0; from += GrowingInts.#partLength) {
      whole.set(this.#parts.shift()!.subarray(0, this.#length - from), from);
    }
    return whole;
  }
}

/** Where each of many parts that lie one behind the other starts, from their lengths, without a number of eight bytes for each. */
export class Starts {
  static readonly #every = 64;
  readonly #lengths: Ints;
  readonly #known: Float64Array;

  constructor(lengths: Ints) {
    this.#lengths = lengths;
    this.#known = new Float64Array(Math.ceil(lengths.length / Starts.#every));
    let start = 0;
    for (let i = 0; i < lengths.length; i++) {
      if (i % Starts.#every === 0) this.#known[i / Starts.#every] = start;
      start += lengths[i]!;
    }
  }

  of(part: number): number {
    const block = Math.floor(part / Starts.#every);
    let start = this.#known[block]!;
    for (let i = block * Starts.#every; i < part; i++) start += this.#lengths[i]!;
    return start;
  }
}

/** `count` numbers from place `from` on. */
export type ReadInts = (from: number, count: number) => Int32Array;

/** Of a file of int32. */
export function readInts(descriptor: number, file: string, from: number, count: number): Int32Array {
  const ints = new Int32Array(count);
  const bytes = bytesOf(ints);
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(descriptor, bytes, done, bytes.length - done, 4 * from + done);
    if (read === 0) {
      throw new EngineError('tokens-broken', `${file} ended before its numbers did`, {
        file,
        remedy: 'Start again: they are made anew.',
      });
    }
    done += read;
  }
  return ints;
}

/** Into a file that goes with this process, for numbers that are too many for memory: `ints` is empty from then on. */
export async function setAside(ints: Int32Array, folder: string, whenThereIsRoom: WhenThereIsRoom): Promise<ReadInts> {
  const file = join(folder, `aside-${randomBytes(4).toString('hex')}.${process.pid}${partEnding}`);
  const descriptor = await whenThereIsRoom(async () => {
    try {
      await mkdir(folder, { recursive: true });
      const handle = await open(file, 'w');
      await handle.writeFile(bytesOf(ints)).finally(() => handle.close());
      return openSync(file, 'r');
    } catch (cause) {
      await rm(file, { force: true });
      throw writeError(file, cause);
    }
  });
  release(ints);
  // Where an open file keeps its name, whoever prepares data next removes it.
  await rm(file, { force: true }).catch(() => {});
  return readerOf(descriptor, file);
}

/** The collector would take its time: what it sees is a small object. A message that nobody takes goes with its ports. */
function release({ buffer }: Int32Array): void {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(null, [buffer as ArrayBuffer]);
  port1.close();
  port2.close();
}

/** On its own: a function that is made beside `ints` would hold them. */
const readerOf =
  (descriptor: number, file: string): ReadInts =>
  (from, count) =>
    readInts(descriptor, file, from, count);
