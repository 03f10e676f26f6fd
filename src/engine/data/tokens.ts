/** Token sequences by number, and what is known of each without looking at its tokens. Knows nothing of where they are kept. */

export interface Tokens {
  ids: Int32Array;
  /** 1 where the token is a target. The first token is never predicted, whatever stands here. */
  targets: Uint8Array;
}

export interface Sequences {
  readonly length: number;
  /** Tokens of all of them. */
  readonly tokens: number;
  at(sequence: number): Tokens | undefined;
  lengthOf(sequence: number): number;
}
