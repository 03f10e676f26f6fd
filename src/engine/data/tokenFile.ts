/**
 * Tokens that a run kept in the user's own cache, because they are too many for memory, and with which the next one on the same
 * data begins at once. What is needed of a sequence is read when its step comes. docs/prepared-data.md has the format. Knows
 * nothing of where tokens come from.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync } from 'node:fs';
import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type Ints, makeInts, partEnding, type ReadInts, readInts, Starts } from './ints.ts';
import type { LengthCounts } from './sequences.ts';
import type { Sequences } from './tokens.ts';

export interface KeptTokens extends LengthCounts {
  sequences: Sequences;
}

/** What stands beside the tokens. */
export interface About extends LengthCounts {
  v: number;
  key: string;
  sequences: number;
  tokens: number;
  sha256: string;
}

export const version = 1;
/** Unused for so long, kept tokens go. */
const keptMs = 14 * 24 * 3600 * 1000;
/** Numbers that are read or written at once. */
export const blockLength = 2 ** 18;

export const tokensFile = (folder: string, key: string): string => join(folder, `${key}.tokens`);
export const aboutFile = (folder: string, key: string): string => join(folder, `${key}.json`);

/** What an earlier run kept under this key, if all of it is as it was written. */
export async function openKeptTokens(folder: string, key: string, maxLength: number): Promise<KeptTokens | null> {
  try {
    const about = JSON.parse(await readFile(aboutFile(folder, key), 'utf8')) as About;
    const file = tokensFile(folder, key);
    if (about.v !== version || about.key !== key || (await hashOf(file)) !== about.sha256) return null;
    const now = new Date();
    for (const each of [file, aboutFile(folder, key)]) await utimes(each, now, now).catch(() => {});
    const { dropped, cut } = about;
    return { sequences: readSequences(folder, about, readLengths(file, about, maxLength)), dropped, cut };
  } catch {
    // Missing, torn or of another make: they may always be made anew.
    return null;
  }
}

/** Removes what killed processes left half-written; whether any of it was of this key. */
export async function removeInterrupted(folder: string, key: string): Promise<boolean> {
  const names = await readdir(folder).catch((): string[] => []);
  const parts = names.filter(name => name.endsWith(partEnding) && !isAlive(Number(name.split('.').at(-2))));
  for (const name of parts) await rm(join(folder, name), { force: true });
  return parts.some(name => name.startsWith(`${key}.`));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Of a file that is in use elsewhere only the name goes, or nothing does. */
export async function removeUnused(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    const found = await stat(file).catch(() => null);
    if (found && !name.endsWith(partEnding) && Date.now() - found.mtimeMs > keptMs)
      await rm(file, { force: true }).catch(() => {});
  }
}

function readLengths(file: string, { sequences, tokens }: About, maxLength: number): Ints {
  const lengths = makeInts(sequences, maxLength);
  const descriptor = openSync(file, 'r');
  try {
    for (let from = 0; from < sequences; from += blockLength) {
      const count = Math.min(blockLength, sequences - from);
      lengths.set(readInts(descriptor, file, tokens + from, count), from);
    }
  } finally {
    closeSync(descriptor);
  }
  return lengths;
}

/** The file stays open as long as the process lives. */
export function readSequences(folder: string, { key, tokens }: About, lengths: Ints): Sequences {
  const file = tokensFile(folder, key);
  const descriptor = openSync(file, 'r');
  return storedSequences(lengths, tokens, (from, count) => readInts(descriptor, file, from, count));
}

/** A token that is learned is stored as the complement of its id, which is below 0. */
export const signed = (id: number, isTarget: number): number => (isTarget ? ~id : id);

/** Of tokens that lie one behind the other somewhere. */
export function storedSequences(lengths: Ints, tokens: number, read: ReadInts): Sequences {
  const starts = new Starts(lengths);
  return {
    length: lengths.length,
    tokens,
    at(sequence) {
      const length = lengths[sequence];
      if (length === undefined) return undefined;
      const stored = read(starts.of(sequence), length);
      return { ids: stored.map(id => (id < 0 ? ~id : id)), targets: Uint8Array.from(stored, id => Number(id < 0)) };
    },
    lengthOf: sequence => lengths[sequence]!,
  };
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
