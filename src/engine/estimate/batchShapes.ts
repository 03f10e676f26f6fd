/** Which shapes of batches a run will compute, from its rows alone. Knows no model. */
import type { RowPlan } from '../data/rowPlan.ts';
import { bucketLength, scoringParts } from '../data/rows.ts';
import type { EvaluatedSet } from '../evaluate/evaluator.ts';
import { scoredRows } from '../evaluate/itemScores.ts';
import type { BatchShape } from '../model/decoder.ts';

/** One kind of optimizer step, and how many of those looked at are of it. */
export interface StepKind {
  microBatches: readonly BatchShape[];
  times: number;
  /** The first step of this kind. */
  first: number;
}

export interface BatchShapes {
  steps: readonly StepKind[];
  /** The largest that is scored; none where nothing is judged. */
  scored: readonly BatchShape[];
}

/** Few lengths come in few steps. */
const stepsLookedAt = 64;

export function batchShapes(
  plan: RowPlan,
  steps: number,
  sets: readonly EvaluatedSet[],
  maxLength: number,
): BatchShapes {
  const kinds = new Map<string, StepKind>();
  for (let step = 1; step <= Math.min(steps, stepsLookedAt); step++) {
    const microBatches = plan.at(step).microBatches.map(({ rows, length }) => ({ rows, length }));
    const key = JSON.stringify(microBatches);
    const { times, first } = kinds.get(key) ?? { times: 0, first: step };
    kinds.set(key, { microBatches, times: times + 1, first });
  }
  let longest = 0;
  for (const { items } of sets) {
    for (const { sequences } of items) for (const { ids } of sequences) longest = Math.max(longest, ids.length);
  }
  const scored = { rows: scoredRows, length: bucketLength(longest, maxLength, scoringParts) };
  return { steps: [...kinds.values()], scored: longest === 0 ? [] : [scored] };
}

export const tokensOf = ({ microBatches }: StepKind): number =>
  microBatches.reduce((sum, { rows, length }) => sum + rows * length, 0);

/** Each shape of training once. */
export function trainingShapes({ steps }: BatchShapes): BatchShape[] {
  const shapes = steps.flatMap(({ microBatches }) => microBatches);
  return [...new Map(shapes.map(shape => [`${shape.rows}x${shape.length}`, shape])).values()];
}

/** The same rows cut to other sizes. */
export function resized(batches: BatchShapes, { rows, length }: Partial<BatchShape>): BatchShapes {
  const atMost = (shape: BatchShape): BatchShape => ({
    rows: Math.min(shape.rows, rows ?? shape.rows),
    length: Math.min(shape.length, length ?? shape.length),
  });
  const smaller = (shape: BatchShape): BatchShape[] =>
    Array.from({ length: Math.ceil(shape.rows / atMost(shape).rows) }, () => atMost(shape));
  return {
    steps: batches.steps.map(kind => ({ ...kind, microBatches: kind.microBatches.flatMap(smaller) })),
    scored: batches.scored.map(shape => ({ rows: shape.rows, length: atMost(shape).length })),
  };
}
