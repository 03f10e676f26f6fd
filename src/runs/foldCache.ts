/**
 * What a long journal came to, kept in the user's cache: whoever opens the run again reads on from where the last reader
 * stood. Counts for nothing by itself: what is missing, damaged, of another journal or of another version is folded anew.
 */
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { type RunIdentity, type RunSnapshot, RunState } from '../domain/runState.ts';
import { removeOldest } from './cacheFolder.ts';
import { sharedCache } from './home.ts';
import type { RunFolder } from './runFolder.ts';
import { openChecked, readBytes, writeFileSafely } from './safeFile.ts';

/** Raised when a state is folded or kept in another way. */
export const foldVersion = 2;
/** A shorter journal is read in some hundredths of a second. */
const leastBytes = 2 * 2 ** 20;
/** Of a journal that grows, at most this part is read twice. */
const mostUnkept = 0.03;
/** Of all files together; the longest unwritten go first. */
const mostBytes = 512 * 2 ** 20;
/** Of the journal before the reader, compared as they are. */
const tailBytes = 4096;
const crcBytes = 4;

export interface Fold {
  state: RunState;
  /** Of the journal: the state holds what lies before. */
  nextByte: number;
}

interface Kept {
  version: number;
  folder: string;
  nextByte: number;
  tail: Uint8Array;
  snapshot: RunSnapshot;
}

/** `null` where nothing is kept of this journal: it is folded from its start. */
export async function recallFold(run: RunFolder, identity: RunIdentity): Promise<Fold | null> {
  try {
    const handle = await openChecked(fileOf(run));
    if (!handle) return null;
    const bytes = await handle.readFile().finally(() => handle.close());
    const body = bytes.subarray(crcBytes);
    if (bytes.length < crcBytes || bytes.readUInt32LE(0) !== crc32(body)) return null;
    const { version, folder, nextByte, tail, snapshot } = deserialize(body) as Kept;
    if (version !== foldVersion || folder !== run.folder) return null;
    const now = await tailOf(run, nextByte);
    if (!now || Buffer.compare(now, tail) !== 0) return null;
    return { state: RunState.restore(identity, snapshot), nextByte };
  } catch {
    return null;
  }
}

/** Whether what was read since the fold was kept is so much that it should be kept anew. */
export const isWorthKeeping = (nextByte: number, keptByte: number): boolean =>
  nextByte - keptByte > Math.max(leastBytes, mostUnkept * nextByte);

/** Throws when it cannot be written; the state is copied before this returns, and may be folded on. */
export async function keepFold(run: RunFolder, { state, nextByte }: Fold, limit = mostBytes): Promise<void> {
  const snapshot = state.snapshot();
  const tail = await tailOf(run, nextByte);
  if (!tail) return;
  const kept: Kept = { version: foldVersion, folder: run.folder, nextByte, tail, snapshot };
  const body = serialize(kept);
  const crc = Buffer.alloc(crcBytes);
  crc.writeUInt32LE(crc32(body));
  await mkdir(cacheFolder(), { recursive: true });
  await writeFileSafely(fileOf(run), Buffer.concat([crc, body]));
  await removeOldest(cacheFolder(), limit);
}

/** With the run for good. */
export const forgetFold = (run: RunFolder): Promise<void> => rm(fileOf(run), { force: true });

const cacheFolder = (): string => join(sharedCache(), 'folds');

const fileOf = ({ folder }: RunFolder): string =>
  join(cacheFolder(), `${createHash('sha256').update(folder).digest('hex')}.fold`);

/** Of the journal up to `end`; `null` when it is shorter. */
async function tailOf(run: RunFolder, end: number): Promise<Buffer | null> {
  const handle = await openChecked(run.journalFile);
  if (!handle) return null;
  try {
    const start = Math.max(0, end - tailBytes);
    const bytes = await readBytes(handle, start, end);
    return bytes.length === end - start ? bytes : null;
  } finally {
    await handle.close();
  }
}
