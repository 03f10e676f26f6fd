/**
 * The time people read, and the time that was lived through: the second is set by nobody, is the same for all programs
 * of a machine since its start and, where the system offers it, stands still while the machine sleeps.
 */
export interface Clock {
  /** Milliseconds since 1970. Jumps when somebody sets it. */
  now(): number;
  /** Milliseconds; only differences mean something. */
  awake(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  awake: () => Number(process.hrtime.bigint() / 1_000_000n),
};

/**
 * How long somebody has been silent, counted from look to look. A gap between two looks counts for little: we may have
 * slept through it ourselves, and then the other did too.
 */
export class Silence {
  readonly #clock: Clock;
  readonly #longestLookMs: number;
  #ms: number;
  #lookedAt: number;

  constructor(clock: Clock, longestLookMs: number, alreadyMs = 0) {
    this.#clock = clock;
    this.#longestLookMs = longestLookMs;
    this.#ms = alreadyMs;
    this.#lookedAt = clock.awake();
  }

  /** Ends it. */
  heard(): void {
    this.#ms = 0;
    this.#lookedAt = this.#clock.awake();
  }

  /** Milliseconds up to now. */
  look(): number {
    const now = this.#clock.awake();
    this.#ms += Math.max(0, Math.min(now - this.#lookedAt, this.#longestLookMs));
    this.#lookedAt = now;
    return this.#ms;
  }
}
