/**
 * The loss of a batch, recomputed from logits by code that shares nothing with the model's loss head or with the batch's
 * labels: its own shift, its own mask, from the rows the batch was made of, in f64.
 */
import type { Batch } from '../../batch.ts';
import type { Row } from '../../data/rows.ts';

/** One token of the batch that has a token before it in its document. */
export interface ReferenceToken {
  /** Cell (b · T + t) of the token before it, where the model predicts it. */
  cell: number;
  isTarget: boolean;
  /** −log p of the token itself, and of its neighbours in the document, from the same logits; null at borders. */
  loss: number;
  lossOfNext: number | null;
  lossOfPrevious: number;
}

export function referenceTokens(batch: Batch, rows: readonly Row[], logits_BTV: Float32Array): ReferenceToken[] {
  const vocabulary = logits_BTV.length / (batch.rows * batch.length);
  const tokens: ReferenceToken[] = [];
  for (const [b, row] of rows.entries()) {
    let first = b * batch.length;
    for (const { ids, targets } of row) {
      for (let i = 1; i < ids.length; i++) {
        const cell = first + i - 1;
        const logits = logits_BTV.subarray(cell * vocabulary, (cell + 1) * vocabulary);
        const normaliser = logSumExp(logits);
        tokens.push({
          cell,
          isTarget: targets[i] === 1,
          loss: normaliser - logits[ids[i]!]!,
          lossOfNext: i + 1 < ids.length ? normaliser - logits[ids[i + 1]!]! : null,
          lossOfPrevious: normaliser - logits[ids[i - 1]!]!,
        });
      }
      first += ids.length;
    }
  }
  return tokens;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function logSumExp(logits: Float32Array): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > highest) highest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  return highest + Math.log(sum);
}
