/**
 * Takes token sequences one by one. A few stay in memory; more are written, one behind the other, into a file that appears
 * whole under its key or not at all. Knows nothing of where tokens come from.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../../runs/safeFile.ts';
import { writeAtomic, writeError } from '../atomicFile.ts';
import { bytesOf, GrowingInts, partEnding, type WhenThereIsRoom } from './ints.ts';
import type { LengthCounts } from './sequences.ts';
import {
  type About,
  aboutFile,
  blockLength,
  type KeptTokens,
  readSequences,
  removeUnused,
  signed,
  storedSequences,
  tokensFile,
  version,
} from './tokenFile.ts';
import type { Tokens } from './tokens.ts';

export interface WriterOptions {
  /** Tokens of the longest sequence. */
  maxLength: number;
  whenThereIsRoom?: WhenThereIsRoom;
  /** Tokens that may stay in memory. */
  mostHeld?: number;
}

/** 16 MB: some 20,000 rows of a usual data set. */
export const usuallyHeld = 2 ** 22;

export class TokenWriter {
  readonly #folder: string;
  readonly #key: string;
  readonly #whenThereIsRoom: WhenThereIsRoom;
  readonly #mostHeld: number;
  /** Full blocks, until they lie in the file. */
  readonly #held: Int32Array[] = [];
  #handle: FileHandle | null = null;
  #block = new Int32Array(blockLength);
  #used = 0;
  #tokens = 0;
  #written = 0;
  readonly #hash = createHash('sha256');
  readonly #lengths: GrowingInts;

  /** `key` stands for everything that decides the tokens. */
  constructor(
    folder: string,
    key: string,
    { maxLength, whenThereIsRoom = write => write(), mostHeld = usuallyHeld }: WriterOptions,
  ) {
    this.#folder = folder;
    this.#key = key;
    this.#whenThereIsRoom = whenThereIsRoom;
    this.#mostHeld = mostHeld;
    this.#lengths = new GrowingInts(maxLength);
  }

  async add({ ids, targets }: Tokens): Promise<void> {
    this.#lengths.push(ids.length);
    this.#tokens += ids.length;
    for (let t = 0; t < ids.length; t++) {
      if (this.#used === blockLength) await this.#endBlock();
      this.#block[this.#used++] = signed(ids[t]!, targets[t]!);
    }
    if (this.#handle === null && this.#tokens > this.#mostHeld) await this.#spill();
  }

  async finish(counts: LengthCounts): Promise<KeptTokens> {
    const lengths = this.#lengths.whole();
    if (this.#handle === null) {
      const blocks = [...this.#held, this.#block];
      return {
        sequences: storedSequences(lengths, this.#tokens, (from, count) => intsOf(blocks, from, count)),
        ...counts,
      };
    }
    await this.#write(bytesOf(this.#block.subarray(0, this.#used)));
    for (let from = 0; from < lengths.length; from += blockLength) {
      await this.#write(bytesOf(Int32Array.from(lengths.subarray(from, from + blockLength))));
    }
    await this.#handle.sync();
    await this.#handle.close();
    this.#handle = null;
    await rename(this.#part, tokensFile(this.#folder, this.#key));
    await syncFolder(this.#folder);
    const about: About = {
      v: version,
      key: this.#key,
      sequences: lengths.length,
      tokens: this.#tokens,
      ...counts,
      sha256: this.#hash.digest('hex'),
    };
    await this.#whenThereIsRoom(() => writeAtomic(aboutFile(this.#folder, this.#key), JSON.stringify(about)));
    await removeUnused(this.#folder);
    return { sequences: readSequences(this.#folder, about, lengths), ...counts };
  }

  /** What was written so far goes. */
  async discard(): Promise<void> {
    await this.#handle?.close();
    this.#handle = null;
    await rm(this.#part, { force: true });
  }

  get #part(): string {
    return join(this.#folder, `${this.#key}.${process.pid}${partEnding}`);
  }

  async #spill(): Promise<void> {
    this.#handle = await this.#whenThereIsRoom(async () => {
      try {
        await mkdir(this.#folder, { recursive: true });
        return await open(this.#part, 'w');
      } catch (cause) {
        throw writeError(this.#part, cause);
      }
    });
    for (const block of this.#held.splice(0)) await this.#write(bytesOf(block));
  }

  async #endBlock(): Promise<void> {
    if (this.#handle) {
      await this.#write(bytesOf(this.#block));
    } else {
      this.#held.push(this.#block);
      this.#block = new Int32Array(blockLength);
    }
    this.#used = 0;
  }

  /** From the same place on again where the disk was full. */
  async #write(bytes: Uint8Array): Promise<void> {
    const handle = this.#handle!;
    await this.#whenThereIsRoom(async () => {
      try {
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, this.#written + done);
          done += bytesWritten;
        }
      } catch (cause) {
        throw writeError(this.#part, cause);
      }
    });
    this.#hash.update(bytes);
    this.#written += bytes.length;
  }
}

/** `count` numbers from place `from` on of blocks of one length. */
function intsOf(blocks: readonly Int32Array[], from: number, count: number): Int32Array {
  const ints = new Int32Array(count);
  for (let done = 0; done < count; ) {
    const at = (from + done) % blockLength;
    const part = blocks[Math.floor((from + done) / blockLength)]!.subarray(at, at + count - done);
    ints.set(part, done);
    done += part.length;
  }
  return ints;
}
