/**
 * Checkpoints of a run: when one is written, which stay. A checkpoint is a dump of the state store with the counters a
 * resume needs; batches and random numbers follow from the step. Knows nothing of how a dump is written.
 */
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expendable } from '../domain/retention.ts';
import type { EvaluatedEvent, StartCommand } from '../protocol/trainer.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { askedFile, type CheckpointName, damageOf, listCheckpoints } from '../runs/checkpointFiles.ts';
import { writeAtomic } from './atomicFile.ts';
import { type RunIdentity, refuseOther } from './runIdentity.ts';
import type { Counters, StateStore } from './state/stateStore.ts';

/** Where a run stands: all a resume needs beside the tensors. */
export interface Progress {
  step: number;
  tokens: number;
  seconds: number;
  /** The last evaluation that came to its end. */
  evaluatedStep: number;
  /** Of the best evaluation so far; see `scoreOf`. */
  bestStep: number | null;
  bestExcess: number;
  bestLoss: number;
}

export const freshProgress: Progress = {
  step: 0,
  tokens: 0,
  seconds: 0,
  evaluatedStep: 0,
  bestStep: null,
  bestExcess: Number.MAX_VALUE,
  bestLoss: Number.MAX_VALUE,
};

/** Loads a checkpoint. A run goes on only with what it began with; a fork may differ, as far as the tensors fit. */
export async function resumeFrom(start: StartCommand, state: StateStore, identity: RunIdentity): Promise<Progress> {
  const { checkpoint, fork } = start.resume!;
  await state.load(checkpoint, counters => {
    if (!fork) refuseOther(start, identity, counters);
  });
  const progress = progressIn(state.counters);
  const { step, tokens, seconds } = progress;
  return fork ? { ...freshProgress, step, tokens, seconds } : progress;
}

export function progressIn(counters: Counters): Progress {
  const { step, tokens, seconds, evaluatedStep, bestStep, bestExcess, bestLoss } = counters as unknown as Progress;
  return { step, tokens, seconds, evaluatedStep, bestStep, bestExcess, bestLoss };
}

export class Checkpoints {
  readonly #folder: string;
  readonly #attempt: number;
  readonly #rule: ResolvedRecipe['checkpoint'];
  /** Of this run's curve, whichever attempt wrote them. */
  #kept: CheckpointName[];
  /** What an older attempt wrote beyond the step this one took up at. */
  #beyond: CheckpointName[];

  #isCleanUpDue = false;

  private constructor(start: StartCommand, kept: CheckpointName[], beyond: CheckpointName[]) {
    this.#folder = start.outputs.checkpoints;
    this.#attempt = start.attempt;
    this.#rule = start.recipe.checkpoint;
    this.#kept = kept;
    this.#beyond = beyond;
  }

  /** Takes over what older attempts left, up to the step this one takes up at, and sweeps away what they left half done. */
  static async open(start: StartCommand, fromStep: number): Promise<Checkpoints> {
    const { checkpoints: folder } = start.outputs;
    for (const name of await readdir(folder).catch(() => [])) if (name.startsWith('.')) await discard(folder, name);
    const found = await listCheckpoints(folder);
    const isKept = ({ step }: CheckpointName): boolean => step <= fromStep && start.resume !== undefined;
    return new Checkpoints(
      start,
      found.filter(isKept),
      found.filter(checkpoint => !isKept(checkpoint)),
    );
  }

  /** Written by this attempt, and the older ones not looked at since. */
  get newest(): string | null {
    return this.#isCleanUpDue ? (this.#kept.at(-1)?.name ?? null) : null;
  }

  /** The newest of this run, whichever attempt wrote it. */
  get last(): string | null {
    return this.#kept.at(-1)?.name ?? null;
  }

  has(step: number): boolean {
    return this.#kept.some(checkpoint => checkpoint.step === step);
  }

  async write(
    state: StateStore,
    progress: Progress,
    identity: RunIdentity,
  ): Promise<{ folder: string; bytes: number }> {
    const { step } = progress;
    const name = `a${this.#attempt}-step-${step}`;
    state.counters = { ...progress, identity };
    const { bytes } = await state.dump(join(this.#folder, name));
    this.#kept.push({ name, attempt: this.#attempt, step });
    this.#isCleanUpDue = true;
    return { folder: name, bytes };
  }

  /** The one of this step was asked for: it stays until the user removes it. */
  async keep(step: number): Promise<void> {
    const at = this.#kept.findLastIndex(checkpoint => checkpoint.step === step);
    const checkpoint = this.#kept[at];
    if (!checkpoint || checkpoint.asked) return;
    await writeAtomic(join(this.#folder, checkpoint.name, askedFile), JSON.stringify({ step }));
    this.#kept[at] = { ...checkpoint, asked: true };
  }

  /** Only once the newest is read back as it was written: there is never a moment without a checkpoint that can be used. */
  async removeOthers(bestStep: number | null): Promise<void> {
    const { keep, keep_every: keepEvery } = this.#rule;
    this.#isCleanUpDue = false;
    const goes = expendable(this.#kept, { keep, keepEvery, bestStep });
    const abandoned = keep.includes('all') ? [] : this.#beyond.filter(({ asked }) => !asked);
    if (goes.length + abandoned.length === 0) return;
    const newest = this.#kept.at(-1);
    const damage = newest ? await damageOf(join(this.#folder, newest.name)) : 'there is none';
    if (damage !== null) {
      process.stderr.write(`Older checkpoints stay: ${newest?.name} cannot be used, ${damage}\n`);
      return;
    }
    for (const { name } of [...goes, ...abandoned]) await discard(this.#folder, name);
    this.#kept = this.#kept.filter(checkpoint => !goes.includes(checkpoint));
    this.#beyond = [];
  }
}

/** Out of sight in one rename: a folder half removed would look like a checkpoint. What cannot be removed stays, and is said. */
async function discard(folder: string, name: string): Promise<void> {
  const hidden = name.startsWith('.') ? name : `.${name}.removed`;
  try {
    if (hidden !== name) await rename(join(folder, name), join(folder, hidden));
    await rm(join(folder, hidden), { recursive: true, force: true });
  } catch (error) {
    process.stderr.write(`Cannot remove ${join(folder, name)}: ${(error as Error).message}\n`);
  }
}

/**
 * How good an evaluation is: first by how far forgetting exceeds its budgets (0 within all of them), then by the loss on
 * held-out task rows; without such rows, later is better. In-run subsets only: the verdict at the end is taken on other
 * items too.
 */
export function scoreOf({ step, forgetting, learning }: EvaluatedEvent): { excess: number; loss: number } {
  const excesses = Object.values(forgetting).map(({ budget, value, accuracy }) => {
    if (!budget) return 0;
    return 'nats' in budget ? value - budget.nats : ((accuracy?.drop ?? 0) - budget.points) / 100;
  });
  const losses = Object.values(learning).map(({ tuned }) => tuned);
  return {
    excess: excesses.reduce((sum, excess) => sum + Math.max(0, excess), 0),
    loss: losses.length === 0 ? -step : losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
  };
}

export const isBetter = (a: { excess: number; loss: number }, than: Progress): boolean =>
  a.excess !== than.bestExcess ? a.excess < than.bestExcess : a.loss < than.bestLoss;
