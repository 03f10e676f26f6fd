/**
 * The `check` job: everything up to the first step, the first batch as text, and an estimate. Memory is computed before
 * the model is opened; so is time, until real steps have been taken.
 */
import type { EstimateEvent, FinishedEvent, StartCommand } from '../protocol/trainer.ts';
import { makeBatch, taskKind } from './data/rows.ts';
import { peakMemoryBytes } from './environment.ts';
import { tokensOf } from './estimate/batchShapes.ts';
import { scoredRows } from './evaluate/itemScores.ts';
import { firstBatch } from './firstBatch.ts';
import { type OpenedRun, openRun } from './openRun.ts';
import { checkStepZero, type Observer } from './trainer.ts';

/** Steps of a kind that are timed, after one that compiles; and kinds, for each is compiled. */
const timedSteps = 2;
const mostKinds = 3;

export async function check(start: StartCommand, observer: Observer): Promise<FinishedEvent> {
  const startedAt = performance.now();
  const run = await openRun(start, observer, { trial: true });
  try {
    observer(firstBatch(run.plan, run.tokenizer));
    observer({ type: 'progress', phase: 'checks', fraction: 0 });
    await checkStepZero(run, observer);
    observer({ type: 'progress', phase: 'timing', fraction: 0 });
    observer(await estimate(run, start));
    const seconds = (performance.now() - startedAt) / 1000;
    return { type: 'finished', reason: 'completed', step: 0, seconds, tokens: 0, peakMemoryBytes: peakMemoryBytes() };
  } finally {
    await run.close();
  }
}

/** The steps are real, with a rate of 0; the model is closed afterwards, so nothing of them stays. */
async function estimate(run: OpenedRun, { recipe }: StartCommand): Promise<EstimateEvent> {
  const { steps, evaluator, secondsToWrite, memory } = run;
  const secondsPerStep = await secondsOfStep(run);
  const rows = run.sets.flatMap(({ items }) => items.map(item => item.sequences));
  const block = rows.flat().slice(0, scoredRows);
  let secondsPerSequence = 0;
  if (block.length > 0) {
    const size = { rows: scoredRows, maxLength: recipe.train.max_length };
    const batch = makeBatch(
      block.map(sequence => [sequence]),
      taskKind,
      size,
    );
    secondsPerSequence = (await secondsOf(() => run.pair.scoreTuned(batch), 1)) / scoredRows;
  }
  const points = Math.floor((steps - 1) / recipe.evaluate.every) + 1;
  const sequences = points * evaluator.sequencesInRun + 2 * rows.flat().length;
  return {
    type: 'estimate',
    basis: 'timed',
    memoryBytes: memory.bytes,
    freeBytes: memory.freeBytes,
    secondsPerStep,
    seconds: secondsToWrite + steps * secondsPerStep + sequences * secondsPerSequence,
  };
}

/** The mean over all kinds of steps, of which the most frequent are timed; others take as long a token. */
async function secondsOfStep({ model, plan, memory }: OpenedRun): Promise<number> {
  const kinds = memory.run.batches.steps.toSorted((a, b) => b.times - a.times);
  const tokensIn = (some: typeof kinds) => some.reduce((sum, kind) => sum + kind.times * tokensOf(kind), 0);
  let seconds = 0;
  for (const { first, times } of kinds.slice(0, mostKinds)) {
    const { microBatches } = plan.at(first);
    seconds += times * (await secondsOf(() => model.step(microBatches, { learningRate: 0 }), timedSteps));
  }
  const looked = kinds.reduce((sum, { times }) => sum + times, 0);
  return (seconds * tokensIn(kinds)) / tokensIn(kinds.slice(0, mostKinds)) / looked;
}

/** Mean of `times` calls after one that is not counted. */
async function secondsOf(call: () => Promise<unknown>, times: number): Promise<number> {
  await call();
  const startedAt = performance.now();
  for (let i = 0; i < times; i++) await call();
  return (performance.now() - startedAt) / 1000 / times;
}
