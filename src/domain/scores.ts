/**
 * From per-item results of base and tuned model to the numbers of an evaluation: forgetting of a probe set with its
 * verdict, learning on held-out task rows. Knows nothing of models, files or runs.
 */
import type { Accuracy, Estimate, EvaluatedEvent, Learning, ScoredEvent, SetScore } from '../protocol/trainer.ts';
import type { Budget } from '../recipe/schema.ts';
import { pairedBootstrap, pairedShareDrop, verdictFor } from './statistics.ts';

export interface ItemResult {
  /** Mean negative log-likelihood of the item's target tokens, nats per token. */
  loss: number;
  /** Choice and pairs: was the right one the likeliest? */
  correct?: boolean;
}

type Items = readonly ItemResult[];

interface Sampling {
  /** Chunks of one document share a number. */
  clusters?: readonly number[];
  seed: number;
}

export interface ScoreSet extends Sampling {
  kind: SetScore['kind'];
  replayed: boolean;
  budget?: Budget;
  /** Item i of base and tuned is the same item. */
  base: Items;
  tuned: Items;
}

export const lossUnit = 'nats/token';

/** The evaluation that a trainer's bare scores say. */
export function evaluatedOf({ step, final, seed, sets, kl, items }: ScoredEvent): EvaluatedEvent {
  const event: EvaluatedEvent = { type: 'evaluated', step, final, learning: {}, forgetting: {}, kl, items };
  for (const [name, { kind, ...set }] of Object.entries(sets)) {
    if (kind === 'learning') event.learning[name] = scoreLearning(set.base, set.tuned, { seed });
    else event.forgetting[name] = scoreSet({ ...set, kind, seed });
  }
  return event;
}

/** Forgetting = unweighted mean over items of (tuned − base) loss; up = forgot more. */
export function scoreSet(set: ScoreSet): SetScore {
  const { kind, replayed, budget, base, tuned } = set;
  const rise = estimateRise(base, tuned, set);
  const accuracy = kind === 'text' ? undefined : scoreAccuracy(base, tuned);
  return {
    kind,
    replayed,
    ...rise,
    base: meanLoss(base),
    tuned: meanLoss(tuned),
    ...(accuracy && { accuracy }),
    ...(budget && { budget, ...judge(budget, rise, accuracy) }),
  };
}

/** Learning = mean drop of loss on held-out task rows; up = learned more. */
export function scoreLearning(base: Items, tuned: Items, sampling: Sampling): Learning {
  return { ...estimateRise(tuned, base, sampling), base: meanLoss(base), tuned: meanLoss(tuned) };
}

function estimateRise(from: Items, to: Items, { clusters, seed }: Sampling): Estimate {
  if (from.length !== to.length || from.length === 0)
    throw new RangeError(`${from.length} results cannot be paired with ${to.length}`);
  const differences = from.map((item, i) => to[i]!.loss - item.loss);
  const { value, low, high, items, method } = pairedBootstrap(differences, { clusters, seed });
  return { value, low, high, unit: lossUnit, items, method };
}

/** The drop of accuracy in points, and the flips, because means cancel. */
function scoreAccuracy(base: Items, tuned: Items): Accuracy {
  const lost = base.filter((item, i) => item.correct && !tuned[i]!.correct).length;
  const gained = base.filter((item, i) => !item.correct && tuned[i]!.correct).length;
  const share = (items: Items): number => items.filter(({ correct }) => correct).length / items.length;
  const { value, low, high, method } = pairedShareDrop(lost, gained, base.length);
  const points = { drop: 100 * value, low: 100 * low, high: 100 * high };
  return { base: share(base), tuned: share(tuned), ...points, method, lost, gained };
}

function judge(budget: Budget, rise: Estimate, accuracy?: Accuracy): Pick<SetScore, 'verdict' | 'itemsNeeded'> {
  if ('nats' in budget) return verdictFor(rise, budget.nats);
  // A set of texts has no accuracy; the trainer refuses such a budget before the start.
  if (!accuracy) return {};
  const { drop, low, high } = accuracy;
  return verdictFor({ value: drop, low, high, items: rise.items }, budget.points);
}

const meanLoss = (items: Items): number => items.reduce((sum, { loss }) => sum + loss, 0) / items.length;
