/**
 * Steps that a resumed run does again: is what comes out of them what came out before? Equal to the last bit is what
 * "as if it had never stopped" means. Knows no journal.
 */
import type { Translate } from './words.ts';

export interface Redone {
  attempt: number;
  fromStep: number;
  /** Its name, or "start". */
  checkpoint: string;
  /** Done again so far. */
  steps: number;
  /** Largest difference of their losses. */
  largest: number;
  /** The first step with another loss. */
  firstAt: number | null;
}

export function addRedone(redone: Redone, step: number, before: number | null, now: number | null): Redone {
  const difference =
    before === now ? 0 : before === null || now === null ? Number.POSITIVE_INFINITY : Math.abs(now - before);
  return {
    ...redone,
    steps: redone.steps + 1,
    largest: Math.max(redone.largest, difference),
    firstAt: difference === 0 ? redone.firstAt : (redone.firstAt ?? step),
  };
}

export function redoneText({ attempt, fromStep, steps, largest, firstAt }: Redone, t: Translate): string {
  const where =
    attempt === 1 ? t('Begins at step {0}', fromStep) : t('Resumed at step {0}, attempt {1}', fromStep, attempt);
  if (steps === 0) return where;
  if (firstAt === null) return t('{0}: identical for {1} redone steps', where, steps);
  const by = Number.isFinite(largest) ? String(Number(largest.toPrecision(2))) : t('a loss that was not finite');
  return t('{0}: of {1} redone steps the loss differs from step {2} on, by up to {3}', where, steps, firstAt, by);
}
