/**
 * From per-item results of base and tuned model to the numbers of an evaluation: forgetting of a probe set with its
 * verdict, learning on held-out task rows. Knows nothing of models, files or runs.
 */
import type { Accuracy, Learning, SetScore } from '../protocol/trainer.ts';
import type { Budget } from '../recipe/schema.ts';
import { pairedBootstrap, pairedShareDrop, verdictFor } from './statistics.ts';

/** Item i of base and tuned is the same item; losses are means over its target tokens, in nats per token. */
export interface PairedLosses {
  base: readonly number[];
  tuned: readonly number[];
  /** Chunks of one document share a number. */
  clusters?: readonly number[];
  seed: number;
}

export interface ScoreSet extends PairedLosses {
  kind: SetScore['kind'];
  replayed: boolean;
  budget?: Budget;
  /** Choice and pairs: was the right one the likeliest? */
  baseCorrect?: readonly boolean[];
  tunedCorrect?: readonly boolean[];
}

export const lossUnit = 'nats/token';

/** Forgetting = unweighted mean over items of (tuned − base) loss; up = forgot more. */
export function scoreSet(set: ScoreSet): SetScore {
  const { kind, replayed, budget, base, tuned, baseCorrect, tunedCorrect } = set;
  const rise = estimate(base, tuned, set);
  const accuracy = baseCorrect && tunedCorrect && scoreAccuracy(baseCorrect, tunedCorrect);
  return {
    kind,
    replayed,
    ...rise,
    base: mean(base),
    tuned: mean(tuned),
    ...(accuracy && { accuracy }),
    ...(budget && { budget, ...judge(budget, rise, accuracy) }),
  };
}

/** Learning = mean drop of loss on held-out task rows; up = learned more. */
export function scoreLearning(losses: PairedLosses): Learning {
  const { base, tuned } = losses;
  return { ...estimate(tuned, base, losses), base: mean(base), tuned: mean(tuned) };
}

function estimate(from: readonly number[], to: readonly number[], { clusters, seed }: PairedLosses) {
  checkPaired(from, to);
  const differences = from.map((loss, i) => to[i]! - loss);
  const { value, low, high, items, method } = pairedBootstrap(differences, { clusters, seed });
  return { value, low, high, unit: lossUnit, items, method };
}

/** The drop of accuracy in points, and the flips, because means cancel. */
function scoreAccuracy(base: readonly boolean[], tuned: readonly boolean[]): Accuracy {
  checkPaired(base, tuned);
  const lost = base.filter((right, i) => right && !tuned[i]).length;
  const gained = base.filter((right, i) => !right && tuned[i]).length;
  const share = (rights: readonly boolean[]): number => rights.filter(Boolean).length / rights.length;
  const { value, low, high, method } = pairedShareDrop(lost, gained, base.length);
  return {
    base: share(base),
    tuned: share(tuned),
    drop: 100 * value,
    low: 100 * low,
    high: 100 * high,
    method,
    lost,
    gained,
  };
}

function judge(
  budget: Budget,
  rise: { value: number; low: number; high: number; items: number },
  accuracy: Accuracy | undefined,
): Pick<SetScore, 'verdict' | 'itemsNeeded'> {
  if ('nats' in budget) return verdictFor(rise, budget.nats);
  // A set of texts has no accuracy; the trainer refuses such a budget before the start.
  if (!accuracy) return {};
  const { drop, low, high } = accuracy;
  return verdictFor({ value: drop, low, high, items: rise.items }, budget.points);
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function checkPaired(base: readonly unknown[], tuned: readonly unknown[]): void {
  if (base.length !== tuned.length || base.length === 0)
    throw new RangeError(`${base.length} base results cannot be paired with ${tuned.length} tuned results`);
}
