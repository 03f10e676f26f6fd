/** Learning rate by step: a linear warm-up from near 0, then cosine, linear or constant. Knows nothing of parameters. */
import type { ResolvedRecipe } from '../recipe/schema.ts';

export interface Schedule {
  /** Rate of step 1, 2, … */
  at(step: number): number;
}

/** The peak is reached right after the warm-up; the last step still moves. */
export function learningRateSchedule(
  { train, method }: Pick<ResolvedRecipe, 'train' | 'method'>,
  steps: number,
): Schedule {
  const peak = method.narrow?.learning_rate ?? train.learning_rate;
  const warmup = Math.min(train.warmup_steps, steps - 1);
  const shape = shapes[train.lr_scheduler];
  return {
    at: step => peak * (step <= warmup ? step / (warmup + 1) : shape((step - 1 - warmup) / (steps - warmup))),
  };
}

/** By progress after the warm-up, 0 to below 1. */
const shapes: Record<ResolvedRecipe['train']['lr_scheduler'], (progress: number) => number> = {
  cosine: progress => 0.5 * (1 + Math.cos(Math.PI * progress)),
  linear: progress => 1 - progress,
  constant: () => 1,
};
