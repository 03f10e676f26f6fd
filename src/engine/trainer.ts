/**
 * The training loop, told top to bottom. Reports to an observer and looks at a control between steps; knows no wire, no
 * run folder and no run store but the output folders it is given.
 */
import type { EvaluatedEvent, FinishedEvent, StartCommand, TrainerEvent } from '../protocol/trainer.ts';
import { travelling } from '../protocol/trainerLines.ts';
import { Checkpoints, freshProgress, isBetter, type Progress, progressIn, resumeFrom, scoreOf } from './checkpoints.ts';
import { EngineError } from './engineError.ts';
import { peakMemoryBytes } from './environment.ts';
import { refuseFailedChecks, stepZeroChecks } from './evaluate/stepZero/checks.ts';
import type { StepMetrics } from './model/tuningModel.ts';
import { type OpenedRun, openRun } from './openRun.ts';
import { whenThereIsRoom } from './roomOnDisk.ts';
import type { RunControl } from './runControl.ts';
import { type Sampler, samplerOf } from './samples.ts';
import { learningRateSchedule, type Schedule } from './schedule.ts';
import { seriesOf } from './series.ts';
import { readCounters } from './state/checkpoint.ts';
import { ModelWeights } from './weights/modelFolder.ts';

export type Observer = (event: TrainerEvent) => void;

export async function train(start: StartCommand, observer: Observer, control: RunControl): Promise<FinishedEvent> {
  const interruptible = interruptedBy(control, observer);
  let run: OpenedRun;
  try {
    run = await openRun(start, interruptible, {
      whenThereIsRoom: write => whenThereIsRoom(write, interruptible, control),
    });
  } catch (error) {
    if (error instanceof Interrupted) return finishedEvent('stopped', await progressAtStart(start));
    throw error;
  }
  try {
    return await new Training(run, start, interruptible, control).toTheEnd();
  } finally {
    await run.close();
  }
}

/** A reader that lives answers at once; what is not cleaned up now goes with the next attempt. */
const recordedWithinMs = 1000;

/** One attempt at a run, from its first or its resumed step on. */
class Training {
  readonly #run: OpenedRun;
  readonly #start: StartCommand;
  readonly #observer: Observer;
  readonly #control: RunControl;
  readonly #schedule: Schedule;
  #checkpoints!: Checkpoints;
  readonly #sampler: Sampler | null;
  #clock = stopwatch(0);
  #progress: Progress = { ...freshProgress };

  constructor(run: OpenedRun, start: StartCommand, observer: Observer, control: RunControl) {
    const { recipe, outputs } = start;
    this.#run = run;
    this.#start = start;
    this.#observer = observer;
    this.#control = control;
    this.#schedule = learningRateSchedule(recipe, run.steps);
    this.#sampler = samplerOf(run, recipe, outputs.samples);
  }

  async toTheEnd(): Promise<FinishedEvent> {
    try {
      await this.#begin();
      await this.#takeSteps();
      if (this.#progress.step === this.#run.steps) return await this.#conclude();
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
    }
    await this.#checkpoint();
    const { newest } = this.#checkpoints;
    if (newest) await this.#control.untilRecorded(newest, recordedWithinMs);
    return this.#finished('stopped');
  }

  async #begin(): Promise<void> {
    const { model, sets, identity } = this.#run;
    const { recipe, resume } = this.#start;
    if (resume) this.#progress = await resumeFrom(this.#start, model.state, identity);
    this.#checkpoints = await Checkpoints.open(this.#start, this.#progress.step);
    this.#clock = stopwatch(this.#progress.seconds);
    for (const series of seriesOf(recipe, sets)) this.#observer(series);
    if (this.#progress.step > 0) return this.#takeUp();
    this.#observer({ type: 'progress', phase: 'checks', fraction: 0 });
    await checkStepZero(this.#run, this.#observer);
    await this.#evaluate(false);
    this.#clock = stopwatch(0);
  }

  /** The stop may have come in the middle of the evaluation that belongs to this step. */
  async #takeUp(): Promise<void> {
    const { step, evaluatedStep } = this.#progress;
    const { steps } = this.#run;
    if (step > steps) {
      throw new EngineError('recipe-invalid', `The checkpoint is at step ${step}, the recipe ends at ${steps}`, {
        remedy: 'Raise train.max_steps.',
      });
    }
    const isMissing = step % this.#start.recipe.evaluate.every === 0 && evaluatedStep < step;
    if (isMissing && step < steps) await this.#evaluate(false);
  }

  async #takeSteps(): Promise<void> {
    const { recipe } = this.#start;
    while (this.#progress.step < this.#run.steps) {
      await this.#clock.pausedWhile(this.#control.untilResumed());
      if (this.#control.isStopping) return;
      const step = this.#progress.step + 1;
      await this.#takeStep(step);
      await this.#cleanUp();
      const isLast = step === this.#run.steps;
      if (step % recipe.evaluate.every === 0 && !isLast) await this.#evaluate(false);
      const { isCheckpointAsked } = this.#control;
      if (isCheckpointAsked || isLast || step % recipe.checkpoint.every === 0) await this.#checkpoint();
    }
  }

  async #takeStep(step: number): Promise<void> {
    const { model, plan } = this.#run;
    const { microBatches, tokens, taskTokens } = plan.at(step);
    const learningRate = this.#schedule.at(step);
    const startedAt = performance.now();
    const metrics = await model.step(microBatches, { learningRate });
    const tokensPerSecond = (1000 * tokens) / (performance.now() - startedAt);
    const values = { ...valuesOf(metrics), learningRate, tokens, taskTokens, tokensPerSecond };
    this.#observer({ type: 'step', step, ...travelling(values) });
    await refuseNonFinite(this.#run, step, values, this.#checkpoints.last);
    this.#progress = { ...this.#progress, step, tokens: this.#progress.tokens + tokens };
  }

  /** All items, on the weights as they are saved; then the model itself. */
  async #conclude(): Promise<FinishedEvent> {
    const { model, fingerprints } = this.#run;
    const { recipe, attempt, outputs } = this.#start;
    await model.useSavedPrecision();
    await this.#evaluate(true);
    this.#observer({ type: 'progress', phase: 'saving', fraction: 0 });
    const { name, variant } = recipe;
    const { step } = this.#progress;
    await this.#write(() => model.save(outputs.model, { name, variant, attempt, step, fingerprints }));
    return this.#finished('completed');
  }

  async #evaluate(final: boolean): Promise<void> {
    const { step } = this.#progress;
    const event = await this.#write(() => this.#run.evaluator.evaluate(step, final));
    this.#observer(event);
    for (const sample of (await this.#sampler?.(step)) ?? []) this.#observer(sample);
    this.#progress = { ...this.#progress, evaluatedStep: step };
    if (!final && step > 0) await this.#keepIfBest(event);
  }

  async #keepIfBest(event: EvaluatedEvent): Promise<void> {
    const { excess, loss } = scoreOf(event);
    const isKept = this.#start.recipe.checkpoint.keep.includes('best');
    if (!isKept || !isBetter({ excess, loss }, this.#progress)) return;
    this.#progress = { ...this.#progress, bestStep: this.#progress.step, bestExcess: excess, bestLoss: loss };
    await this.#checkpoint();
  }

  async #checkpoint(): Promise<void> {
    const { step } = this.#progress;
    if (step === 0) return;
    const isAsked = this.#control.takeCheckpointRequest();
    if (!this.#checkpoints.has(step)) {
      this.#progress.seconds = this.#clock.seconds;
      const { model, identity } = this.#run;
      const written = await this.#write(() => this.#checkpoints.write(model.state, this.#progress, identity));
      this.#observer({ type: 'checkpointed', step, ...written });
    }
    if (isAsked) await this.#write(() => this.#checkpoints.keep(step));
  }

  /** Until the reader has kept everything up to the newest one, a resume may need an older one. */
  async #cleanUp(): Promise<void> {
    const { newest } = this.#checkpoints;
    if (newest && this.#control.isRecorded(newest)) await this.#checkpoints.removeOthers(this.#progress.bestStep);
  }

  #write<T>(write: () => Promise<T>): Promise<T> {
    return whenThereIsRoom(write, this.#observer, this.#control);
  }

  async #finished(reason: FinishedEvent['reason']): Promise<FinishedEvent> {
    await this.#cleanUp();
    return finishedEvent(reason, { ...this.#progress, seconds: this.#clock.seconds });
  }
}

async function progressAtStart({ resume }: StartCommand): Promise<Progress> {
  return resume ? progressIn(await readCounters(resume.checkpoint)) : freshProgress;
}

/** Thrown out of evaluations and loading when the run is to stop: they can be long. */
class Interrupted extends Error {}

function interruptedBy(control: RunControl, observer: Observer): Observer {
  return event => {
    if (event.type === 'progress' && control.isStopping) throw new Interrupted('stopped');
    observer(event);
  };
}

function finishedEvent(reason: FinishedEvent['reason'], { step, seconds, tokens }: Progress): FinishedEvent {
  const model = reason === 'completed' ? '.' : undefined;
  return { type: 'finished', reason, step, seconds, tokens, peakMemoryBytes: peakMemoryBytes(), model };
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

function valuesOf({ loss, replayLoss, objective, penalties, gradientNorm }: StepMetrics): Record<string, number> {
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

/** Never goes on in silence with NaN: names the metric, the first tensor that is broken too, and what is still sound. */
async function refuseNonFinite(
  { model }: OpenedRun,
  step: number,
  values: Record<string, number>,
  checkpoint: string | null,
): Promise<void> {
  const broken = Object.entries(values).filter(([, value]) => !Number.isFinite(value));
  if (broken.length === 0) return;
  const numbers = broken.map(([name, value]) => `${name} is ${value}`).join(', ');
  let where = '';
  for (const name of model.trainedNames) {
    if ((await model.read(name)).every(Number.isFinite)) continue;
    where = `; the first broken tensor is ${name}`;
    break;
  }
  const saved = checkpoint
    ? `The last checkpoint, ${checkpoint}, was written while every number was finite: a fork can go on from it.`
    : 'No checkpoint was written before.';
  throw new EngineError('not-finite', `Step ${step}: ${numbers}${where}`, {
    remedy: `Lower train.learning_rate or train.max_grad_norm, or add warmup_steps. ${saved}`,
  });
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
