/** A batch as the programs take it, and the counts that make sums into means. Checks what would index past a table. */
import { type Batch, ignoredLabel } from '../batch.ts';
import { EngineError } from '../engineError.ts';
import { divergenceRatios, type RegularizeSettings, regularizedTokens } from '../methods/regularize.ts';
import type { BatchValues } from '../runtime/runtime.ts';
import type { ModelConfig } from './modelConfig.ts';

/** Of a whole optimizer step, all micro-batches together. */
export interface StepCounts {
  /** N: every token whose cross-entropy counts. */
  targets: number;
  /** M: tokens whose KL counts. */
  regularized: number;
}

export function countTokens(batches: readonly Batch[], regularize?: RegularizeSettings): StepCounts {
  const targets = batches.reduce(
    (sum, { labels }) => sum + labels.reduce((n, y) => n + Number(y !== ignoredLabel), 0),
    0,
  );
  return { targets, regularized: regularize ? regularizedTokens(batches, regularize) : 0 };
}

export function checkBatch(batch: Batch, config: ModelConfig): void {
  const { rows, length, ids, labels } = batch;
  if (length > config.maxPositions) {
    throw new EngineError('sequence-too-long', `Rows of ${length} tokens; the model takes ${config.maxPositions}`);
  }
  for (const values of [ids, labels, batch.positions, batch.segments]) {
    if (values.length !== rows * length) {
      throw new EngineError('batch', `${values.length} values for ${rows} rows of ${length}`);
    }
  }
  const outside = ids.findIndex(
    (id, i) => id < 0 || id >= config.vocabularySize || labels[i]! >= config.vocabularySize,
  );
  if (outside >= 0) {
    const id = ids[outside]! >= config.vocabularySize ? ids[outside] : labels[outside];
    throw new EngineError(
      'token-out-of-range',
      `Token ${id} is outside the model's vocabulary of ${config.vocabularySize}`,
      {
        remedy: 'The tokenizer and the model do not belong together.',
      },
    );
  }
}

/** What every pass reads. Where no loss is taken, the label is any valid one and its weight is 0. */
export function passValues(batch: Batch): BatchValues {
  return {
    ids: batch.ids,
    positions: batch.positions,
    segments: batch.segments,
    labels: batch.labels.map(label => Math.max(label, 0)),
    weights: new Float32Array(batch.labels.length),
    ratios: new Float32Array(batch.labels.length),
  };
}

/** The same with each token's weight in the objective of the step. */
export function trainingValues(batch: Batch, counts: StepCounts, regularize?: RegularizeSettings): BatchValues {
  const weight = 1 / counts.targets;
  const values = passValues(batch);
  values.weights = Float32Array.from(batch.labels, label => (label === ignoredLabel ? 0 : weight));
  if (regularize) values.ratios = divergenceRatios(batch, regularize, counts);
  return values;
}
