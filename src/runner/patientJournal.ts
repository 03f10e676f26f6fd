/**
 * The journal as the runner writes it. On a full disk records wait in memory, in their order and with their time, until
 * there is room again; nothing that was acknowledged is touched. Knows nothing of trainers.
 */
import { rmSync, statSync, writeFileSync } from 'node:fs';
import type { JournalEvent } from '../protocol/journal.ts';
import { JournalWriter } from '../runs/journal.ts';
import type { RunFolder } from '../runs/runFolder.ts';
import { fromSystem, RunsError } from '../runs/runsError.ts';
import { isFull } from './patiently.ts';

/** Held back for the exit record, and what there must be before a run goes on. */
const reserveBytes = 64 * 1024;
/** A trainer that does not heed a pause is not waited for without end. */
const mostWaiting = 50_000;
/** A machine that loses its power loses nothing that was written before these. */
const milestones: ReadonlySet<JournalEvent['type']> = new Set(['evaluated', 'checkpointed', 'finished']);

export class PatientJournal {
  readonly #run: RunFolder;
  readonly #writer: JournalWriter;
  readonly #waiting: { event: JournalEvent; t: number }[] = [];
  #isSyncDue = false;

  static async open(run: RunFolder, attempt: number): Promise<PatientJournal> {
    try {
      writeFileSync(run.file('reserve'), Buffer.alloc(reserveBytes));
    } catch (error) {
      throw fromSystem(error, run.folder, 'writing');
    }
    return new PatientJournal(run, await JournalWriter.open(run, attempt));
  }

  private constructor(run: RunFolder, writer: JournalWriter) {
    this.#run = run;
    this.#writer = writer;
  }

  /** Something has found no room yet. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0 || this.#isSyncDue;
  }

  /** Its file is still where the run's folder has it. */
  get isInPlace(): boolean {
    return this.#writer.isInPlace;
  }

  /** Throws whatever is not a full disk. */
  append(event: JournalEvent): void {
    this.#waiting.push({ event, t: Date.now() });
    if (this.#waiting.length > mostWaiting) {
      throw new RunsError('disk-full', `The disk is full, and ${mostWaiting} records wait for room`, {
        file: this.#run.journalFile,
      });
    }
    this.#write();
  }

  /** Is there room for what waits, and some more? */
  tryAgain(): boolean {
    const probe = this.#run.file('room');
    try {
      writeFileSync(probe, Buffer.alloc(reserveBytes));
    } catch (error) {
      if (isFull(fromSystem(error, probe, 'writing'))) return false;
      throw error;
    } finally {
      rmSync(probe, { force: true });
    }
    this.#write();
    return !this.isWaiting;
  }

  /** The last record, for which room was held back. Gives how many before it found none. */
  end(last: JournalEvent): number {
    try {
      this.#write();
      rmSync(this.#run.file('reserve'), { force: true });
      this.#writer.append(last);
      this.#writer.sync();
    } finally {
      this.#writer.close();
    }
    return this.#waiting.length;
  }

  #write(): void {
    try {
      for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
        this.#writer.append(next.event, next.t);
        this.#waiting.shift();
        this.#isSyncDue ||= milestones.has(next.event.type);
      }
      if (this.#isSyncDue) this.#writer.sync();
      this.#isSyncDue = false;
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }
}

/** Room on the disk may be made by the user; a folder that is gone does not come back. */
export function removeRemains(run: RunFolder): void {
  if (statSync(run.runJson, { throwIfNoEntry: false })) return;
  rmSync(run.folder, { recursive: true, force: true });
}
