/**
 * Fetches one large file: takes up what was begun, and counts it only when its digest is right. Knows neither where
 * packages come from nor what is in them.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, RunsError, systemCode } from './runsError.ts';

export interface Source {
  url: string;
  headers?: Record<string, string>;
  bytes: number;
  sha256: string;
}

export interface Patience {
  /** A connection that says nothing for so long is begun again. */
  silenceMs: number;
  /** Between two tries; grows with each that brings nothing. */
  pauseMs: number;
}

/** Tries in a row that bring nothing. */
const mostFailures = 5;
const usualPatience: Patience = { silenceMs: 60_000, pauseMs: 1000 };

/** Bytes that are not here yet. */
export function missingBytes(source: Source, file: string): number {
  return existsSync(file) ? 0 : Math.max(0, source.bytes - (sizeOf(begun(file)) ?? 0));
}

/** `onBytes` hears how much arrives; less than nothing when it is begun again. */
export async function download(
  source: Source,
  file: string,
  onBytes: (bytes: number) => void,
  { silenceMs, pauseMs } = usualPatience,
): Promise<void> {
  if (existsSync(file)) return;
  for (let failures = 0; (sizeOf(begun(file)) ?? -1) < source.bytes; ) {
    const before = sizeOf(begun(file)) ?? 0;
    try {
      await takeUp(source, begun(file), before, onBytes, silenceMs);
    } catch (error) {
      if (error instanceof RunsError) throw error;
      if (/^(ENOSPC|EDQUOT|EACCES|EPERM|EROFS|EIO)$/.test(systemCode(error)))
        throw fromSystem(error, file, 'writing to');
      failures = (sizeOf(begun(file)) ?? 0) > before ? 0 : failures + 1;
      if (failures >= mostFailures) throw brokenOff(source, file, error);
      await sleep(pauseMs * failures);
    }
  }
  await check(source, begun(file));
  await rename(begun(file), file);
}

async function takeUp(
  source: Source,
  file: string,
  from: number,
  onBytes: (bytes: number) => void,
  silenceMs: number,
): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('it said nothing any more')), silenceMs);
  try {
    const headers = { ...source.headers, ...(from > 0 && { range: `bytes=${from}-` }) };
    const response = await fetch(source.url, { headers, signal: silence.signal });
    if (response.status >= 500 || response.status === 429) throw new Error(`it answered with ${response.status}`);
    if (!response.ok || !response.body) {
      throw new RunsError('download-refused', `${source.url} answered with ${response.status}`, {
        remedy: 'Look whether the package index you use has this file, and whether it wants a password.',
      });
    }
    // A server that knows no ranges sends the file from its beginning.
    const start = response.status === 206 ? from : 0;
    onBytes(start - from);
    const pieces = counted(response.body, start);
    await pipeline(pieces, createWriteStream(file, { flags: start > 0 ? 'r+' : 'w', start, flush: true }));
  } finally {
    clearTimeout(timer);
  }

  async function* counted(body: AsyncIterable<Uint8Array>, start: number) {
    let at = start;
    for await (const piece of body) {
      timer.refresh();
      at += piece.length;
      if (at > source.bytes) throw damaged(source, file, 'is longer than the index says');
      onBytes(piece.length);
      yield piece;
    }
    if (at < source.bytes) throw new Error(`it ended after ${at} of ${source.bytes} bytes`);
  }
}

async function check(source: Source, file: string): Promise<void> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  if (hash.digest('hex') === source.sha256) return;
  await rm(file);
  throw damaged(source, file, 'arrived with another sha256 than the index says, and was removed');
}

function damaged({ url }: Source, file: string, how: string): RunsError {
  return new RunsError('download-damaged', `${url} ${how}`, { file, remedy: 'Give the command again.' });
}

function brokenOff({ url }: Source, file: string, error: unknown): RunsError {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new RunsError('install-failed', `${url} broke off: ${detail}`, {
    file,
    remedy: 'Give the command again: it goes on where it was.',
    cause: error,
  });
}

const begun = (file: string): string => `${file}.incomplete`;
const sizeOf = (file: string): number | undefined => statSync(file, { throwIfNoEntry: false })?.size;
