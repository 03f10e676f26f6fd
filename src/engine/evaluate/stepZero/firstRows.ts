/** The first rows of a batch: as many as their logits fit into a quarter of a gigabyte, at least one. */
import type { MadeBatch } from './checkResult.ts';

const maxLogits = 2 ** 26;

export function firstRows({ batch, rows }: MadeBatch, vocabulary: number): MadeBatch {
  const count = Math.min(batch.rows, Math.max(1, Math.floor(maxLogits / (batch.length * vocabulary))));
  if (count === batch.rows) return { batch, rows };
  const cells = count * batch.length;
  return {
    batch: {
      rows: count,
      length: batch.length,
      ids: batch.ids.slice(0, cells),
      labels: batch.labels.slice(0, cells),
      positions: batch.positions.slice(0, cells),
      segments: batch.segments.slice(0, cells),
      kinds: batch.kinds.slice(0, count),
    },
    rows: rows.slice(0, count),
  };
}
