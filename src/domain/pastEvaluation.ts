/** What pages keep of an evaluation once a newer one has come: little, for after hours of training there are thousands. */
import type { PastEvaluation } from '../protocol/panel.ts';
import type { EvaluatedEvent } from '../protocol/trainer.ts';
import type { Interval } from './statistics.ts';

type Evaluation = Pick<EvaluatedEvent, 'step' | 'learning' | 'forgetting'>;

/** Of one evaluation always the same: what was told of it is known by it. */
const known = new WeakMap<Evaluation, PastEvaluation>();

export function pastEvaluation(evaluation: Evaluation): PastEvaluation {
  const made = known.get(evaluation);
  if (made) return made;
  const { step, learning, forgetting } = evaluation;
  const past = { step, estimates: { ...estimates('learning', learning), ...estimates('forgetting', forgetting) } };
  known.set(evaluation, past);
  return past;
}

const estimates = (kind: string, scores: Record<string, Interval>): PastEvaluation['estimates'] =>
  Object.fromEntries(
    Object.entries(scores).map(([set, { value, low, high }]) => [
      `${kind}.${set}`,
      [visible(value), visible(low), visible(high)],
    ]),
  );

const visible = (value: number): number => Number(value.toPrecision(6));
