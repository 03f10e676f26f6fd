/**
 * A block of rows as the model takes it: the meeting point of the data pipeline and the model. Padding, packing and
 * masks are all told by these arrays; nothing about the data is baked into a compiled program but (rows, length).
 */
export interface Batch {
  /** B */
  rows: number;
  /** T */
  length: number;
  /** (B, T) token ids; padding holds 0. */
  ids: Int32Array;
  /** (B, T) already shifted: the token that follows position t, or -100 where no loss is taken. */
  labels: Int32Array;
  /** (B, T) position within its document; restarts at document borders. */
  positions: Int32Array;
  /** (B, T) attention stays within equal numbers; 0 is padding. */
  segments: Int32Array;
  /** (B) 0 = task row, 1 = replay row. A packed row never mixes both. */
  kinds: Uint8Array;
}

export const ignoredLabel = -100;
