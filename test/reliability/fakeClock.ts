/** A clock that goes, jumps and sleeps as a test says. */
import type { Clock } from '../../src/runs/clock.ts';

export class FakeClock implements Clock {
  #now = Date.UTC(2026, 0, 1);
  #awake = 1_000_000;

  readonly now = (): number => this.#now;
  readonly awake = (): number => this.#awake;

  go(ms: number): void {
    this.#now += ms;
    this.#awake += ms;
  }

  /** Somebody sets it. */
  jump(ms: number): void {
    this.#now += ms;
  }

  /** Some systems count the sleep as time that passed. */
  sleep(ms: number, isCounted: boolean): void {
    this.#now += ms;
    if (isCounted) this.#awake += ms;
  }
}
