/**
 * What a runner writes of its run: the journal, the heartbeat, and in the end the exit record. A full disk makes them
 * wait; any other failure is told to the runner. Knows nothing of trainers.
 */
import { existsSync } from 'node:fs';
import type { JournalEvent } from '../protocol/journal.ts';
import type { ErrorReport } from '../protocol/result.ts';
import { systemClock } from '../runs/clock.ts';
import type { RunExit, RunFolder } from '../runs/runFolder.ts';
import { errorReport } from '../runs/runsError.ts';
import { writeJsonSafely } from '../runs/safeFile.ts';
import { Heartbeats, type Pulse } from './heartbeats.ts';
import { PatientJournal, removeRemains } from './patientJournal.ts';
import { isFull } from './patiently.ts';

export class RunRecord {
  readonly #run: RunFolder;
  readonly #attempt: number;
  readonly #onFailure: () => void;
  readonly #heartbeats: Heartbeats;
  #journal: PatientJournal | null = null;
  #isWaiting = false;
  #isGone = false;
  #failure: ErrorReport | null = null;

  /** `onFailure`: the run cannot go on, since metrics that nobody can read are worth nothing. */
  constructor(run: RunFolder, attempt: number, onFailure: () => void) {
    this.#run = run;
    this.#attempt = attempt;
    this.#onFailure = onFailure;
    this.#heartbeats = new Heartbeats(run, attempt, systemClock);
  }

  /** Holds back room, for heartbeats first, so that it can be said when there is none. Then to be opened again. */
  async open(pulse: Pulse): Promise<void> {
    this.#heartbeats.write(pulse);
    this.#journal ??= await PatientJournal.open(this.#run, this.#attempt);
  }

  get failure(): ErrorReport | null {
    return this.#failure;
  }

  /** Records wait in memory for room. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Everything that was written so far is where readers find it. */
  get isWhole(): boolean {
    return this.#failure === null && this.#journal?.isWaiting === false;
  }

  /** The folder was deleted or moved, as the last look at its place found. */
  get isGone(): boolean {
    return this.#isGone;
  }

  write(event: JournalEvent): void {
    if (this.#failure) return;
    try {
      this.#journal?.append(event);
      this.#isWaiting ||= this.#journal?.isWaiting === true;
    } catch (error) {
      this.fail(errorReport(error));
    }
  }

  /** True when what waited has found room just now. */
  tryAgain(): boolean {
    if (!this.#isWaiting || !this.#journal?.tryAgain()) return false;
    this.#isWaiting = false;
    this.write({ type: 'handled', command: 'resume', id: 'disk', note: 'the disk was full, and there is room again' });
    return true;
  }

  pulse(pulse: Pulse): void {
    this.checkPlace();
    if (this.#isGone) return;
    try {
      this.#heartbeats.write(pulse);
    } catch (error) {
      // The room held back for it was taken away: it beats again when there is some.
      if (!isFull(error)) this.fail(errorReport(error));
    }
  }

  /** Somebody deleted or moved the folder: what trains on would be seen by nobody. */
  checkPlace(): void {
    if (this.#isGone || this.#journal?.isInPlace !== false) return;
    this.#isGone = true;
    this.#failure = {
      code: 'run-folder-gone',
      message: 'The folder of the run was deleted or moved while it ran',
      file: this.#run.folder,
    };
    this.#onFailure();
  }

  /** The first one counts. */
  fail(failure: ErrorReport): void {
    if (this.#failure) return;
    this.#failure = failure;
    this.#onFailure();
  }

  /** The last record of the journal is tried even after a failed write. How many before it found no room. */
  endJournal(last: JournalEvent): number {
    try {
      return this.#journal?.end(last) ?? 0;
    } catch (error) {
      this.#failure ??= errorReport(error);
      return 0;
    } finally {
      this.#journal = null;
    }
  }

  /** May be tried again after a full disk. */
  async end(exit: RunExit): Promise<void> {
    if (this.#isGone) removeRemains(this.#run);
    if (this.#isGone && !existsSync(this.#run.folder)) return;
    await writeJsonSafely(this.#run.exitJson, exit);
    this.#heartbeats.end();
  }
}
