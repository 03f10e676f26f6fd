/**
 * Regularized tuning: KL between the base's and the tuned next-token distributions, on the target tokens of chosen rows
 * ("label annealing"; G1 in the literature of memory-retaining fine-tuning). The penalty is
 * weight · T² · mean over those tokens. Knows no model: it gives numbers and says which teacher stands behind them.
 */
import type { Recipe } from '../../recipe/schema.ts';
import type { Batch } from '../batch.ts';
import { ignoredLabel } from '../batch.ts';
import { EngineError } from '../engineError.ts';

export type RegularizeSettings = NonNullable<Recipe['method']['regularize']>;

/** Where the base model's hidden states come from. */
export interface TeacherChoice {
  /** copy: a full second set of weights. swap: base values of the tuned tensors only, the rest is shared. */
  teacher: 'copy' | 'swap';
  reason: string;
}

/** A penalty on rows that never come would be silence that looks like a method. */
export function refuseUnreachable({ on }: RegularizeSettings, hasReplay: boolean): void {
  if (hasReplay || on.includes('task')) return;
  throw new EngineError(
    'nothing-regularized',
    'method.regularize.on names replay rows alone, and nothing is replayed',
    {
      remedy: 'Add method.replay, or let regularize.on include task.',
    },
  );
}

export function chooseTeacher(settings: RegularizeSettings, isAdapter: boolean): TeacherChoice {
  if (settings.teacher !== 'auto') return { teacher: settings.teacher, reason: 'as the recipe says' };
  const reason = isAdapter
    ? 'the base is the same model with the adapter off, so nothing is held twice'
    : 'only the base values of tuned tensors are held beside them; the numbers are those of a full copy';
  return { teacher: 'swap', reason };
}

const kindNames = ['task', 'replay'] as const;

/** Target tokens of the step that the penalty counts. */
export function regularizedTokens(batches: readonly Batch[], settings: RegularizeSettings): number {
  return batches.reduce((sum, batch) => sum + regularizedMask(batch, settings).reduce((n, bit) => n + bit, 0), 0);
}

/** (B·T) 1 where the penalty counts the token. */
export function regularizedMask(batch: Batch, { on }: RegularizeSettings): Uint8Array {
  return Uint8Array.from(batch.labels, (label, i) => {
    const kind = kindNames[batch.kinds[Math.floor(i / batch.length)] as 0 | 1];
    return label !== ignoredLabel && on.includes(kind) ? 1 : 0;
  });
}

/**
 * (B·T) what KL counts beside the cross-entropy of the same token, whose weight is 1/N: the mean over the M
 * regularized tokens is Σ KL/M = Σ 1/N · N/M · KL.
 */
export function divergenceRatios(
  batch: Batch,
  settings: RegularizeSettings,
  counts: { targets: number; regularized: number },
): Float32Array {
  const ratio = counts.regularized === 0 ? 0 : penaltyFactor(settings) * (counts.targets / counts.regularized);
  return Float32Array.from(regularizedMask(batch, settings), bit => (bit ? ratio : 0));
}

export const penaltyFactor = ({ weight, temperature }: RegularizeSettings): number => weight * temperature ** 2;
