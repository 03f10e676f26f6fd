/** What happened in the storm and what came of it: counts, and every untruth with its moment. Knows no runs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RunsError } from '../../src/runs/runsError.ts';

export class Ledger {
  readonly seed: number;
  readonly events = new Map<string, number>();
  /** Requests that were refused in words, by their code. */
  readonly refusals = new Map<string, number>();
  /** Runs that are not as their twin, and say why. */
  readonly exceptions: string[] = [];
  readonly untruths: string[] = [];
  runs = 0;
  equal = 0;
  lostPoints = 0;
  readonly #startedAt = Date.now();
  #lastEvent = 'the start';

  constructor(seed: number) {
    this.seed = seed;
  }

  get seconds(): number {
    return (Date.now() - this.#startedAt) / 1000;
  }

  count(kind: string): void {
    this.events.set(kind, (this.events.get(kind) ?? 0) + 1);
    this.#lastEvent = kind;
  }

  say(what: string): void {
    process.stdout.write(`${this.#moment()} ${what}\n`);
  }

  untruth(what: string): void {
    const where = `${this.#moment()} (after: ${this.#lastEvent}) ${what}`;
    this.untruths.push(where);
    process.stdout.write(`UNTRUTH ${where}\n`);
  }

  /** False when it was refused in words, which is fine. Any other error is not. */
  async attempt(what: string, task: () => Promise<unknown>): Promise<boolean> {
    try {
      await task();
      return true;
    } catch (error) {
      if (!(error instanceof RunsError)) {
        this.untruth(`${what}: ${error instanceof Error ? error.stack : error}`);
        return true;
      }
      this.refusals.set(error.code, (this.refusals.get(error.code) ?? 0) + 1);
      this.say(`${what} was refused: ${error.message} [${error.code}]`);
      return false;
    }
  }

  /** Again and again: a full disk may refuse it for a while. */
  async insist(what: string, task: () => Promise<unknown>): Promise<void> {
    while (!(await this.attempt(what, task))) await sleep(500);
  }

  #moment(): string {
    return `seed ${this.seed}, second ${this.seconds.toFixed(1)}:`;
  }
}
