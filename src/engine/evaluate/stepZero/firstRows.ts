/** The first rows of a batch, as many as their logits may take. */
import { rowsOfLogits, sliceRows } from '../../data/rows.ts';
import type { MadeBatch } from './checkResult.ts';

export function firstRows({ batch, rows }: MadeBatch, vocabulary: number): MadeBatch {
  const count = rowsOfLogits(batch.rows, batch.length, vocabulary);
  return count === batch.rows ? { batch, rows } : { batch: sliceRows(batch, 0, count), rows: rows.slice(0, count) };
}
