/**
 * Which messages of the host to take. The host counts its messages; a page that missed one asks for everything again.
 * Pure.
 */
export type Taken = 'take' | 'stale' | 'gap';

export class Sequence {
  /** The last message taken, −1 before the first state. */
  last = -1;
  #waiting = true;

  take(message: { type: string; seq: number }): Taken {
    if (message.type === 'state') {
      this.last = message.seq;
      this.#waiting = false;
      return 'take';
    }
    if (this.#waiting || message.seq <= this.last) return 'stale';
    if (message.seq > this.last + 1) {
      this.#waiting = true;
      return 'gap';
    }
    this.last = message.seq;
    return 'take';
  }
}
