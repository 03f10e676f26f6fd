/**
 * Checkpoints of a run: when one is written, which stay. A checkpoint is a dump of the state store with the counters a
 * resume needs; batches and random numbers follow from the step. Knows nothing of how a dump is written.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EvaluatedEvent } from '../protocol/trainer.ts';
import { EngineError } from './engineError.ts';
import { numericsVersion } from './numerics.ts';
import type { StateStore } from './state/stateStore.ts';

/** Where a run stands: all a resume needs beside the tensors. */
export interface Progress {
  step: number;
  tokens: number;
  seconds: number;
  /** Of the best evaluation so far; see `scoreOf`. */
  bestStep: number | null;
  bestExcess: number;
  bestLoss: number;
}

export const freshProgress: Progress = {
  step: 0,
  tokens: 0,
  seconds: 0,
  bestStep: null,
  bestExcess: Number.MAX_VALUE,
  bestLoss: Number.MAX_VALUE,
};

export type Keep = ('best' | 'last' | 'all')[];

export class Checkpoints {
  readonly #folder: string;
  readonly #attempt: number;
  readonly #keep: Keep;
  /** Written by this attempt, oldest first. */
  readonly #written: number[] = [];

  constructor(folder: string, attempt: number, keep: Keep) {
    this.#folder = folder;
    this.#attempt = attempt;
    this.#keep = keep;
  }

  has(step: number): boolean {
    return this.#written.includes(step);
  }

  async write(state: StateStore, progress: Progress, identity: string): Promise<{ folder: string; bytes: number }> {
    const folder = this.#nameOf(progress.step);
    state.counters = { ...progress, numerics: numericsVersion, identity };
    const { bytes } = await state.dump(join(this.#folder, folder));
    this.#written.push(progress.step);
    return { folder, bytes };
  }

  /** Only after a newer one is there: never fewer than one stays. */
  async removeOthers(bestStep: number | null): Promise<void> {
    if (this.#keep.includes('all')) return;
    const last = this.#written.at(-1);
    const stays = (step: number): boolean => step === last || (this.#keep.includes('best') && step === bestStep);
    for (const step of this.#written.filter(step => !stays(step))) {
      await rm(join(this.#folder, this.#nameOf(step)), { recursive: true, force: true });
      this.#written.splice(this.#written.indexOf(step), 1);
    }
  }

  #nameOf(step: number): string {
    return `a${this.#attempt}-step-${step}`;
  }
}

/** Loads a checkpoint; `identity` stands for the recipe, data and weights it must have been written with. */
export async function resumeFrom(folder: string, state: StateStore, identity: string): Promise<Progress> {
  await state.load(folder);
  const counters = state.counters;
  if (counters.numerics !== numericsVersion) {
    const message = `The checkpoint was written by numerics ${counters.numerics}, this engine is ${numericsVersion}`;
    throw new EngineError('numerics-changed', message, {
      file: folder,
      remedy: 'Resume with the engine version it was written by, or start again.',
    });
  }
  if (counters.identity !== identity) {
    throw new EngineError(
      'checkpoint-mismatch',
      'Recipe, data or weights are not those the checkpoint was written with',
      {
        file: folder,
        remedy: 'Restore them, or start a new run.',
      },
    );
  }
  const { step, tokens, seconds, bestStep, bestExcess, bestLoss } = counters as unknown as Progress;
  return { step, tokens, seconds, bestStep, bestExcess, bestLoss };
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
