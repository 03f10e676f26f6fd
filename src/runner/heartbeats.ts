/**
 * The heartbeat of a run: attempt, step, and how the trainer does, every few seconds. It goes on when the disk is full:
 * then it is written over the one before; only the first one needs room. Knows nothing of journals.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { Clock } from '../runs/clock.ts';
import type { Heartbeat, RunFolder } from '../runs/runFolder.ts';
import { fromSystem } from '../runs/runsError.ts';

export type Pulse = Pick<Heartbeat, 'step' | 'paused' | 'waitsFor' | 'silentMs' | 'idle'>;

/** A beat takes this much room from the first on, so that a longer one still fits on a full disk. */
const beatBytes = 1024;

export class Heartbeats {
  readonly #file: string;
  readonly #attempt: number;
  readonly #clock: Clock;

  constructor(run: RunFolder, attempt: number, clock: Clock) {
    this.#file = run.heartbeatFile;
    this.#attempt = attempt;
    this.#clock = clock;
  }

  write(pulse: Pulse): void {
    const beat: Heartbeat = { attempt: this.#attempt, t: this.#clock.now(), up: this.#clock.awake(), ...pulse };
    const text = JSON.stringify(beat).padEnd(beatBytes);
    const temporary = `${this.#file}.tmp`;
    try {
      writeFileSync(temporary, text);
      renameSync(temporary, this.#file);
    } catch (error) {
      const problem = fromSystem(error, this.#file, 'writing');
      rmSync(temporary, { force: true });
      if (problem.code !== 'disk-full' || !existsSync(this.#file)) throw problem;
      this.#overwrite(text);
    }
  }

  end(): void {
    rmSync(this.#file, { force: true });
  }

  /** Takes no new room. */
  #overwrite(text: string): void {
    try {
      const descriptor = openSync(this.#file, 'r+');
      try {
        writeSync(descriptor, text, 0);
        ftruncateSync(descriptor, text.length);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      throw fromSystem(error, this.#file, 'writing');
    }
  }
}

/** What a process has computed so far, to be compared with another look; `null` where the system does not tell. */
export function workOf(pid: number | undefined): string | null {
  if (pid === undefined || process.platform !== 'linux') return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return `${fields[11]} ${fields[12]}`;
  } catch {
    return null;
  }
}
