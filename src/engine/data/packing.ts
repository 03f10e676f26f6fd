/**
 * Puts whole sequences together into rows, from their lengths alone. Best fit decreasing (Johnson et al. 1974) leaves next to
 * nothing empty, and within windows of a random order it needs little memory and still mixes. Knows nothing of tokens.
 */
import { GrowingInts, type Ints, type ReadInts, Starts } from './ints.ts';
import type { RandomStream } from './randomStreams.ts';
import { type MeasuredRows, rowsBy } from './rows.ts';
import type { Sequences } from './tokens.ts';

/** What a run is told to have been packed by: rows that are put together otherwise are another run. */
export const packedBy = 'best fit';

/** Sequences looked at together. Beyond this nothing is gained. */
const windowSize = 4096;

export interface PackingOptions {
  maxLength: number;
  lane: number;
  /** Where a long list of sequences goes; without it, it stays in memory. */
  setAside?: (order: Int32Array) => Promise<ReadInts>;
}

/** Done once: the packed rows are the rows of every epoch. */
export async function packRows(
  sequences: Sequences,
  stream: RandomStream,
  { maxLength, lane, setAside }: PackingOptions,
): Promise<MeasuredRows> {
  const order = stream.permutation(sequences.length, lane);
  const sizes = packInWindows(order, sequences, maxLength);
  const read: ReadInts = (await setAside?.(order)) ?? ((from, count) => order.subarray(from, from + count));
  return packedRows(sequences, sizes.whole(), read);
}

/** Puts the sequences of each row side by side, and tells how many each row has. */
function packInWindows(order: Int32Array, sequences: Sequences, maxLength: number): GrowingInts {
  const sizes = new GrowingInts(Math.min(windowSize, maxLength));
  for (let from = 0; from < order.length; from += windowSize) {
    const window = order.subarray(from, from + windowSize);
    const rows = bestFit(window, i => sequences.lengthOf(i), maxLength);
    window.set(rows.flat());
    for (const row of rows) sizes.push(row.length);
  }
  return sizes;
}

function packedRows(sequences: Sequences, sizes: Ints, read: ReadInts): MeasuredRows {
  const starts = new Starts(sizes);
  const inRow = (row: number): number[] => [...read(starts.of(row), sizes[row]!)];
  return rowsBy(
    sizes.length,
    row => inRow(row).map(i => sequences.at(i)!),
    row => inRow(row).reduce((sum, i) => sum + sequences.lengthOf(i), 0),
  );
}

interface OpenRow {
  row: number[];
  room: number;
}

/** Longest first, each into the row that it fills best; equal ones as they come. */
function bestFit(window: Int32Array, lengthOf: (sequence: number) => number, maxLength: number): number[][] {
  const rows: number[][] = [];
  /** The fullest first. */
  const open: OpenRow[] = [];
  for (const sequence of [...window].sort((a, b) => lengthOf(b) - lengthOf(a))) {
    const length = lengthOf(sequence);
    const [found] = open.splice(firstWithRoom(open, length), 1);
    const row = found?.row ?? [];
    if (!found) rows.push(row);
    row.push(sequence);
    const room = (found?.room ?? maxLength) - length;
    open.splice(firstWithRoom(open, room), 0, { row, room });
  }
  return rows;
}

/** By halving: where the first one stands that has so much room, or the end. */
function firstWithRoom(open: OpenRow[], room: number): number {
  let [low, high] = [0, open.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (open[middle]!.room < room) low = middle + 1;
    else high = middle;
  }
  return low;
}
