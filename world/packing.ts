/** Documents of token ids packed into blocks of equal length. A document is never cut; attention stops at its borders. */
import { type Batch, ignoredLabel } from '../src/engine/batch.ts';

/** How many unfinished rows are looked at for room. More fill better and shuffle less. */
const openRows = 16;

/** Rows of whole documents; each takes at most `length` positions (a document of n tokens takes n − 1). */
export function packRows(documents: readonly number[][], length: number): number[][][] {
  const rows: number[][][] = [];
  const open: { documents: number[][]; free: number }[] = [];
  for (const document of documents) {
    const size = document.length - 1;
    if (size > length) throw new Error(`A document of ${document.length} tokens does not fit a row of ${length}`);
    let row = open.find(candidate => candidate.free >= size);
    if (row === undefined) {
      if (open.length === openRows) rows.push(open.shift()!.documents);
      row = { documents: [], free: length };
      open.push(row);
    }
    row.documents.push(document);
    row.free -= size;
  }
  return [...rows, ...open.map(row => row.documents)];
}

/**
 * One block. `lossFrom` says from which token of a row's documents on the loss counts; without it every
 * token but the first does.
 */
export function toBatch(rows: readonly number[][][], length: number, lossFrom?: (row: number) => number): Batch {
  const size = rows.length * length;
  const batch: Batch = {
    rows: rows.length,
    length,
    ids: new Int32Array(size),
    labels: new Int32Array(size).fill(ignoredLabel),
    positions: new Int32Array(size),
    segments: new Int32Array(size),
    kinds: new Uint8Array(rows.length),
  };
  for (const [row, documents] of rows.entries()) {
    let at = row * length;
    for (const [index, document] of documents.entries()) {
      for (let i = 0; i + 1 < document.length; i++, at++) {
        batch.ids[at] = document[i]!;
        if (i + 1 >= (lossFrom?.(row) ?? 1)) batch.labels[at] = document[i + 1]!;
        batch.positions[at] = i;
        batch.segments[at] = index + 1;
      }
    }
  }
  return batch;
}
