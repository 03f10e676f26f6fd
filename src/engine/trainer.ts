/**
 * The training loop, told top to bottom. Reports to an observer and looks at a control between steps; knows no wire, no
 * run folder and no run store but the output folders it is given.
 */
import type { EvaluatedEvent, FinishedEvent, StartCommand, TrainerEvent } from '../protocol/trainer.ts';
import { travelling } from '../protocol/trainerLines.ts';
import { Checkpoints, freshProgress, isBetter, type Progress, resumeFrom, scoreOf } from './checkpoints.ts';
import { EngineError } from './engineError.ts';
import { peakMemoryBytes } from './environment.ts';
import { refuseFailedChecks, stepZeroChecks } from './evaluate/stepZero/checks.ts';
import type { StepMetrics } from './model/tuningModel.ts';
import { type OpenedRun, openRun } from './openRun.ts';
import type { RunControl } from './runControl.ts';
import { type Sampler, samplerOf } from './samples.ts';
import { learningRateSchedule } from './schedule.ts';
import { seriesOf } from './series.ts';
import { ModelWeights } from './weights/modelFolder.ts';

export type Observer = (event: TrainerEvent) => void;

export async function train(start: StartCommand, observer: Observer, control: RunControl): Promise<FinishedEvent> {
  const run = await openRun(start, observer);
  try {
    return await trainOpened(run, start, observer, control);
  } finally {
    await run.close();
  }
}

async function trainOpened(
  run: OpenedRun,
  start: StartCommand,
  observer: Observer,
  control: RunControl,
): Promise<FinishedEvent> {
  const { model, plan, steps, evaluator } = run;
  const { recipe, outputs } = start;
  const schedule = learningRateSchedule(recipe, steps);
  const checkpoints = new Checkpoints(outputs.checkpoints, start.attempt, recipe.checkpoint.keep);
  const sampler = samplerOf(run, recipe.retain.prompts, outputs.samples);
  let progress: Progress = start.resume
    ? await resumeFrom(start.resume.checkpoint, model.state, run.identity)
    : { ...freshProgress };
  for (const series of seriesOf(recipe, run.sets)) observer(series);

  if (progress.step === 0) {
    observer({ type: 'progress', phase: 'checks', fraction: 0 });
    await checkStepZero(run, observer);
    await evaluateAt(false);
  }

  const clock = stopwatch(progress.seconds);
  while (progress.step < steps && !control.isStopping) {
    await clock.pausedWhile(control.untilResumed());
    if (control.isStopping) break;
    const step = progress.step + 1;
    const rows = plan.at(step);
    const startedAt = performance.now();
    const learningRate = schedule.at(step);

    const metrics = await model.step(rows.microBatches, { learningRate });
    progress = { ...progress, step, tokens: progress.tokens + rows.tokens, seconds: clock.seconds };

    const { tokens, taskTokens } = rows;
    const tokensPerSecond = (1000 * tokens) / (performance.now() - startedAt);
    const values = { ...metricsOf(metrics), learningRate, tokens, taskTokens, tokensPerSecond };
    observer({ type: 'step', step, ...travelling(values) });
    await refuseNonFinite(run, step, values);

    if (step % recipe.evaluate.every === 0 && step < steps) await evaluateAt(false);
    const isAsked = control.takeCheckpointRequest();
    if (isAsked || step % recipe.checkpoint.every === 0 || step === steps) await checkpoint();
  }

  if (progress.step < steps) {
    await checkpoint();
    return finished('stopped');
  }
  await model.useSavedPrecision();
  await evaluateAt(true);
  observer({ type: 'progress', phase: 'saving', fraction: 0 });
  await model.save(outputs.model, resultInfo(start, run, progress));
  return finished('completed');

  async function evaluateAt(final: boolean): Promise<void> {
    const event = await evaluator.evaluate(progress.step, final);
    observer(event);
    await sampleAt(sampler, progress.step, observer);
    if (!final && progress.step > 0) await keepIfBest(event);
  }

  async function keepIfBest(event: EvaluatedEvent): Promise<void> {
    const score = scoreOf(event);
    if (!recipe.checkpoint.keep.includes('best') || !isBetter(score, progress)) return;
    progress = { ...progress, bestStep: progress.step, bestExcess: score.excess, bestLoss: score.loss };
    await checkpoint();
  }

  async function checkpoint(): Promise<void> {
    if (checkpoints.has(progress.step) || progress.step === 0) return;
    progress = { ...progress, seconds: clock.seconds };
    const written = await checkpoints.write(model.state, progress, run.identity);
    observer({ type: 'checkpointed', step: progress.step, ...written });
    await checkpoints.removeOthers(progress.bestStep);
  }

  function finished(reason: FinishedEvent['reason']): FinishedEvent {
    return {
      type: 'finished',
      reason,
      step: progress.step,
      seconds: clock.seconds,
      tokens: progress.tokens,
      peakMemoryBytes: peakMemoryBytes(),
      ...(reason === 'completed' && { model: '.' }),
    };
  }
}

/** Reports the checks before it refuses a failed one. */
export async function checkStepZero(run: OpenedRun, observer: Observer): Promise<void> {
  const { model, plan, modelFolder, evaluator } = run;
  const { microBatches, task, replay } = plan.at(1);
  const rows = { 0: task, 1: replay };
  const taken = { 0: 0, 1: 0 };
  const batches = microBatches.map(batch => {
    const kind = batch.kinds[0] as 0 | 1;
    const from = taken[kind];
    taken[kind] += batch.rows;
    return { batch, rows: rows[kind].slice(from, taken[kind]) };
  });
  const weights = await ModelWeights.open(modelFolder);
  try {
    const file = { names: [...weights.tensors.keys()], read: (name: string) => weights.read(name) };
    const checked = await stepZeroChecks(model, { batches, familiar: evaluator.familiarBatch() }, file);
    observer(checked);
    refuseFailedChecks(checked);
  } finally {
    await weights.close();
  }
}

function metricsOf({ loss, replayLoss, objective, penalties, gradientNorm }: StepMetrics): Record<string, number> {
  const named = Object.entries(penalties).map(([name, value]) => [
    name.startsWith('penalty.') ? name : `penalty.${name}`,
    value,
  ]);
  return {
    loss,
    objective,
    ...(replayLoss !== undefined && { replayLoss }),
    ...Object.fromEntries(named),
    gradientNorm,
  };
}

async function sampleAt(sampler: Sampler | null, step: number, observer: Observer): Promise<void> {
  if (!sampler) return;
  for (const sample of await sampler(step)) observer(sample);
}

/** Never goes on in silence with NaN: names the metric and the first tensor that is broken too. */
async function refuseNonFinite({ model }: OpenedRun, step: number, values: Record<string, number>): Promise<void> {
  const broken = Object.entries(values).filter(([, value]) => !Number.isFinite(value));
  if (broken.length === 0) return;
  const numbers = broken.map(([name, value]) => `${name} is ${value}`).join(', ');
  let where = '';
  for (const name of model.trainedNames) {
    if ((await model.read(name)).every(Number.isFinite)) continue;
    where = `; the first broken tensor is ${name}`;
    break;
  }
  throw new EngineError('not-finite', `Step ${step}: ${numbers}${where}`, {
    remedy: 'Lower train.learning_rate or train.max_grad_norm, or add warmup_steps. The last checkpoint is sound.',
  });
}

function resultInfo({ recipe, attempt }: StartCommand, run: OpenedRun, progress: Progress): Record<string, unknown> {
  return { name: recipe.name, variant: recipe.variant, attempt, step: progress.step, fingerprints: run.fingerprints };
}

/** Seconds since it was made, on top of earlier attempts, without the pauses. */
function stopwatch(earlierSeconds: number) {
  let startedAt = performance.now();
  return {
    get seconds(): number {
      return earlierSeconds + (performance.now() - startedAt) / 1000;
    },
    async pausedWhile(pause: Promise<void>): Promise<void> {
      const before = performance.now();
      await pause;
      startedAt += performance.now() - before;
    },
  };
}
