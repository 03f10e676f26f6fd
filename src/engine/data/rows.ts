/**
 * Rows: what one line of a batch holds. A row is one sequence, or several packed one behind the other. Turns rows into
 * batches. Knows nothing of order, epochs or kinds of methods.
 */
import { type Batch, ignoredLabel } from '../batch.ts';
import type { Sequences, Tokens } from './tokens.ts';

export type Row = readonly Tokens[];

/** Rows by number: held, or put together when they are asked for. */
export interface Rows extends Iterable<Row> {
  readonly length: number;
  at(row: number): Row | undefined;
}

export interface MeasuredRows extends Rows {
  /** Tokens, told without looking at them. */
  lengthOf(row: number): number;
}

/** Every sequence a row of its own. */
export function singleRows(sequences: Sequences): MeasuredRows {
  return rowsBy(
    sequences.length,
    row => [sequences.at(row)!],
    row => sequences.lengthOf(row),
  );
}

export function rowsBy(length: number, make: (row: number) => Row, lengthOf: (row: number) => number): MeasuredRows {
  return {
    length,
    lengthOf,
    at: row => (row >= 0 && row < length ? make(row) : undefined),
    *[Symbol.iterator]() {
      for (let row = 0; row < length; row++) yield make(row);
    },
  };
}

export const taskKind = 0;
export const replayKind = 1;

export const rowLength = (row: Row): number => row.reduce((sum, { ids }) => sum + ids.length, 0);

/** Parts of the longest that a batch's length may have: in training, and where rows are sorted by length. */
export const trainingParts = 4;
export const scoringParts = 8;

export const bucketStep = (maxLength: number, parts: number): number =>
  Math.max(8, Math.ceil(maxLength / parts / 8) * 8);

/**
 * Few distinct lengths mean few compiled programs: equal parts of the longest, in multiples of eight. Sequences that are
 * sorted by length before they are batched may have more parts.
 */
export function bucketLength(length: number, maxLength: number, parts = trainingParts): number {
  const part = bucketStep(maxLength, parts);
  return Math.min(Math.ceil(length / part) * part, Math.max(maxLength, length));
}

/** Rows beyond those given are padding. All rows are of one kind. */
export function makeBatch(rows: Row[], kind: number, size: { rows: number; maxLength: number; parts?: number }): Batch {
  const length = bucketLength(Math.max(1, ...rows.map(rowLength)), size.maxLength, size.parts);
  const cells = size.rows * length;
  const batch: Batch = {
    rows: size.rows,
    length,
    ids: new Int32Array(cells),
    labels: new Int32Array(cells).fill(ignoredLabel),
    positions: new Int32Array(cells),
    segments: new Int32Array(cells),
    kinds: new Uint8Array(size.rows).fill(kind),
  };
  for (const [b, row] of rows.entries()) writeRow(batch, b, row);
  return batch;
}

function writeRow(batch: Batch, b: number, row: Row): void {
  let at = b * batch.length;
  for (const [i, { ids, targets }] of row.entries()) {
    for (let t = 0; t < ids.length; t++, at++) {
      batch.ids[at] = ids[t]!;
      batch.positions[at] = t;
      batch.segments[at] = i + 1;
      if (targets[t + 1]) batch.labels[at] = ids[t + 1]!;
    }
  }
}

/** Rows [from, from + count) as a batch of their own. */
export function sliceRows(batch: Batch, from: number, count: number): Batch {
  const [first, end] = [from * batch.length, (from + count) * batch.length];
  return {
    rows: count,
    length: batch.length,
    ids: batch.ids.slice(first, end),
    labels: batch.labels.slice(first, end),
    positions: batch.positions.slice(first, end),
    segments: batch.segments.slice(first, end),
    kinds: batch.kinds.slice(from, from + count),
  };
}

/** Logits of a batch are kept below a quarter of a gigabyte: so many of its rows at once, at least one. */
export function rowsOfLogits(rows: number, length: number, vocabulary: number): number {
  return Math.min(rows, Math.max(1, Math.floor(2 ** 26 / (length * vocabulary))));
}

/** Tokens that are not padding. */
export function tokenCount(batch: Batch): number {
  let count = 0;
  for (const segment of batch.segments) if (segment !== 0) count += 1;
  return count;
}

export function labelCount(batch: Batch): number {
  let count = 0;
  for (const label of batch.labels) if (label !== ignoredLabel) count += 1;
  return count;
}
