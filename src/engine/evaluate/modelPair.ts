/**
 * The two models of an evaluation, base and tuned, behind one face: the base is the tuned model with every change
 * switched off, or another model (`retain.base`). Either way both are scored by the same code path.
 */
import type { Batch } from '../batch.ts';
import { ignoredLabel } from '../batch.ts';
import { rowsOfLogits, sliceRows } from '../data/rows.ts';
import type { TuningModel } from '../model/tuningModel.ts';
import type { OpenDecoding } from './generate.ts';
import type { ScoreBatch } from './itemScores.ts';

export interface ModelPair {
  scoreBase: ScoreBatch;
  scoreTuned: ScoreBatch;
  /** (B, T) KL(base ‖ tuned) of each labelled position, 0 elsewhere. */
  divergence: ScoreBatch;
  writeBase: OpenDecoding;
  writeTuned: OpenDecoding;
}

/** (B, T, V) logits of a batch. */
type LogitsOf = (batch: Batch) => Promise<Float32Array>;

/** `base`: another model that forgetting is measured against; default the tuned model's own base. */
export function modelPair(tuned: TuningModel, base?: TuningModel): ModelPair {
  const reference = base ?? tuned;
  const logitsBase: LogitsOf = batch => reference.logits(batch, 'base');
  const logitsTuned: LogitsOf = batch => tuned.logits(batch, 'tuned');
  return {
    scoreBase: batch => reference.score(batch, 'base'),
    scoreTuned: batch => tuned.score(batch, 'tuned'),
    divergence: base
      ? batch => divergenceOfModels(batch, tuned.vocabularySize, logitsBase, logitsTuned)
      : batch => tuned.divergence(batch),
    writeBase: shape => reference.decoding(shape, 'base'),
    writeTuned: shape => tuned.decoding(shape, 'tuned'),
  };
}

async function divergenceOfModels(
  batch: Batch,
  vocabulary: number,
  logitsBase: LogitsOf,
  logitsTuned: LogitsOf,
): Promise<Float32Array> {
  const divergence = new Float32Array(batch.labels.length);
  const atOnce = rowsOfLogits(batch.rows, batch.length, vocabulary);
  for (let from = 0; from < batch.rows; from += atOnce) {
    const part = sliceRows(batch, from, Math.min(atOnce, batch.rows - from));
    const values = divergenceOfLogits(part, await logitsBase(part), await logitsTuned(part));
    divergence.set(values, from * batch.length);
  }
  return divergence;
}

/** KL(p0 ‖ p) = Σ p0 (log p0 − log p), in f64. */
export function divergenceOfLogits(batch: Batch, base_BTV: Float32Array, tuned_BTV: Float32Array): Float32Array {
  const vocabulary = base_BTV.length / batch.labels.length;
  const divergence = new Float32Array(batch.labels.length);
  for (const [cell, label] of batch.labels.entries()) {
    if (label === ignoredLabel) continue;
    const z0 = base_BTV.subarray(cell * vocabulary, (cell + 1) * vocabulary);
    const z = tuned_BTV.subarray(cell * vocabulary, (cell + 1) * vocabulary);
    const [normaliser0, normaliser] = [logSumExp(z0), logSumExp(z)];
    let sum = 0;
    for (let v = 0; v < vocabulary; v++) {
      const logP0 = z0[v]! - normaliser0;
      sum += Math.exp(logP0) * (logP0 - (z[v]! - normaliser));
    }
    divergence[cell] = sum;
  }
  return divergence;
}

function logSumExp(logits: Float32Array): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > highest) highest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  return highest + Math.log(sum);
}
