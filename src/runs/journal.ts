/**
 * A run's journal, `journal.ndjson`: the runner appends, everybody else reads or follows. A record is acknowledged once
 * its write call has returned, one call a line. Readers stream, and count what is damaged instead of failing.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { type JournalEvent, type JournalRecord, journalVersion } from '../protocol/journal.ts';
import { LineSplitter } from '../protocol/lineSplitter.ts';
import { ChangeBell } from './changeBell.ts';
import { decodeJournalLine, encodeJournalLine } from './journalLine.ts';
import type { RunFolder } from './runFolder.ts';
import { fromSystem, RunsError } from './runsError.ts';
import { openChecked, readBytes, syncFolder } from './safeFile.ts';

const longestLine = 8 * 1024 * 1024;

export class JournalWriter {
  readonly #file: string;
  readonly #descriptor: number;
  readonly #attempt: number;
  #seq: number;

  private constructor(file: string, descriptor: number, attempt: number, seq: number) {
    this.#file = file;
    this.#descriptor = descriptor;
    this.#attempt = attempt;
    this.#seq = seq;
  }

  /** Cuts a torn last line and counts on from the last record. Throws when a newer Holdfast wrote the journal. */
  static async open(run: RunFolder, attempt: number): Promise<JournalWriter> {
    const file = run.journalFile;
    const before = await lastSeq(run);
    try {
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);
      const descriptor = openSync(file, flags, 0o644);
      cutTornLine(descriptor);
      // A file that was synced is lost all the same when its name is.
      await syncFolder(run.folder);
      return new JournalWriter(file, descriptor, attempt, before + 1);
    } catch (error) {
      throw fromSystem(error, file, 'opening');
    }
  }

  get nextSeq(): number {
    return this.#seq;
  }

  /** False once the file, or a folder above it, was deleted or moved. */
  get isInPlace(): boolean {
    const now = statSync(this.#file, { throwIfNoEntry: false });
    return now !== undefined && now.ino === fstatSync(this.#descriptor).ino;
  }

  /** Returns when the operating system has the line. A line that did not go in whole is cut off again. */
  append(event: JournalEvent, t = Date.now()): JournalRecord {
    const stamp = { attempt: this.#attempt, seq: this.#seq, t };
    const bytes = Buffer.from(encodeJournalLine(stamp, event));
    try {
      const written = writeSync(this.#descriptor, bytes);
      if (written !== bytes.length) {
        ftruncateSync(this.#descriptor, fstatSync(this.#descriptor).size - written);
        throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
      }
    } catch (error) {
      throw fromSystem(error, this.#file, 'writing');
    }
    this.#seq += 1;
    return { v: journalVersion, ...stamp, ...event };
  }

  /** To the disk: at evaluations, checkpoints and the end. */
  sync(): void {
    try {
      fsyncSync(this.#descriptor);
    } catch (error) {
      throw fromSystem(error, this.#file, 'writing');
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** What a reader found besides records. */
export interface JournalDamage {
  /** Lines whose checksum or shape is wrong. */
  badLines: number;
  /** Missing sequence numbers. */
  gaps: number;
  /** Lines of a newer version or of an unknown type: there is more in this journal than is shown. */
  unknown: number;
}

export interface JournalBatch {
  records: JournalRecord[];
  /** Reading on from here misses and doubles nothing. */
  nextByte: number;
  /** Counted from `fromByte` on. */
  damage: JournalDamage;
}

/** Whole lines from a byte position to the present end. A last line that is still being written is not read. */
export async function* readJournal(run: RunFolder, options: { fromByte?: number } = {}): AsyncGenerator<JournalBatch> {
  const reader = new JournalReader(run, options.fromByte ?? 0);
  try {
    for (let batch = await reader.next(); batch; batch = await reader.next()) yield batch;
  } finally {
    await reader.close();
  }
}

export interface FollowOptions {
  fromByte?: number;
  signal?: AbortSignal;
  /** Where the file watcher is silent (network folders, containers) the size is polled. */
  pollMs?: number;
  /** Asked whenever nothing new has come: true ends the stream. Without it only the signal does. */
  isOver?: () => Promise<boolean>;
}

/** What is there, then what comes. The journal may not exist yet. Ends with the signal, without throwing. */
export async function* followJournalBatches(run: RunFolder, options: FollowOptions = {}): AsyncGenerator<JournalBatch> {
  const reader = new JournalReader(run, options.fromByte ?? 0);
  const bell = new ChangeBell(run.journalFile, options.pollMs ?? 500, options.signal);
  try {
    let askedLast = false;
    while (!options.signal?.aborted) {
      const batch = await reader.next();
      if (batch) {
        askedLast = false;
        yield batch;
      } else if (askedLast) {
        return;
      } else if (await options.isOver?.()) {
        // One more look: records may have come between the last read and the answer.
        askedLast = true;
      } else {
        await bell.next();
      }
    }
  } finally {
    bell.close();
    await reader.close();
  }
}

export async function* followJournal(run: RunFolder, options: FollowOptions = {}): AsyncGenerator<JournalRecord> {
  for await (const { records } of followJournalBatches(run, options)) yield* records;
}

class JournalReader {
  readonly #run: RunFolder;
  readonly #splitter = new LineSplitter(longestLine);
  readonly #buffer = Buffer.alloc(256 * 1024);
  readonly #damage: JournalDamage = { badLines: 0, gaps: 0, unknown: 0 };
  #handle: FileHandle | null = null;
  #readAt: number;
  #nextByte: number;
  #expected: number | null;

  constructor(run: RunFolder, fromByte: number) {
    this.#run = run;
    this.#readAt = fromByte;
    this.#nextByte = fromByte;
    this.#expected = fromByte === 0 ? 0 : null;
  }

  /** `null` when there is nothing new at present. */
  async next(): Promise<JournalBatch | null> {
    this.#handle ??= await openChecked(this.#run.journalFile);
    if (!this.#handle) return null;
    for (;;) {
      const { bytesRead } = await this.#handle.read(this.#buffer, 0, this.#buffer.length, this.#readAt);
      if (bytesRead === 0) {
        this.#forgetTornLine();
        return null;
      }
      this.#readAt += bytesRead;
      const lines = this.#splitter.push(this.#buffer.subarray(0, bytesRead));
      if (lines.length === 0) continue;
      const records: JournalRecord[] = [];
      for (const line of lines) {
        this.#nextByte += line.bytes;
        this.#take('tooLong' in line ? null : line.text, records);
      }
      return { records, nextByte: this.#nextByte, damage: { ...this.#damage } };
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = null;
  }

  #take(text: string | null, records: JournalRecord[]): void {
    const line = text === null ? ({ kind: 'bad' } as const) : decodeJournalLine(text);
    if (line.kind === 'bad') {
      this.#damage.badLines += 1;
      return;
    }
    const { seq } = line.kind === 'record' ? line.record : line.stamp;
    if (this.#expected !== null && seq > this.#expected) this.#damage.gaps += seq - this.#expected;
    this.#expected = seq + 1;
    if (line.kind === 'record') records.push(line.record);
    else this.#damage.unknown += 1;
  }

  /** A line that is not whole yet is read again from its start: a recovery may cut it and write another in its place. */
  #forgetTornLine(): void {
    this.#splitter.end();
    this.#readAt = this.#nextByte;
  }
}

async function lastSeq(run: RunFolder): Promise<number> {
  let last = -1;
  const reader = await openChecked(run.journalFile);
  if (!reader) return last;
  try {
    // The last megabytes are enough: seq only grows, and a line is no longer than that.
    const { size } = await reader.stat();
    const tail = await readBytes(reader, Math.max(0, size - 2 * longestLine), size);
    for (const line of new LineSplitter(longestLine).push(tail)) {
      const decoded = 'tooLong' in line ? null : decodeJournalLine(line.text);
      if (!decoded || decoded.kind === 'bad') continue;
      const stamp = decoded.kind === 'record' ? decoded.record : decoded.stamp;
      if (stamp.v > journalVersion) throw newerJournal(run, stamp.v);
      last = Math.max(last, stamp.seq);
    }
  } finally {
    await reader.close();
  }
  return last;
}

function newerJournal(run: RunFolder, version: number): RunsError {
  const message = `A newer Holdfast (journal format ${version}) wrote ${run.journalFile}; this one does not add to it`;
  return new RunsError('newer-format', message, { file: run.journalFile, remedy: 'Update Holdfast.' });
}

function cutTornLine(descriptor: number): void {
  const { size } = fstatSync(descriptor);
  const piece = Buffer.alloc(64 * 1024);
  for (let end = size; end > 0; end -= piece.length) {
    const start = Math.max(0, end - piece.length);
    readSync(descriptor, piece, 0, end - start, start);
    const at = piece.subarray(0, end - start).lastIndexOf(10);
    if (at === -1 && start > 0) continue;
    const whole = at === -1 ? 0 : start + at + 1;
    if (whole < size) ftruncateSync(descriptor, whole);
    return;
  }
}
