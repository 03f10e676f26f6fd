/** Declares every series a run will report, before its first value. */
import { type SeriesEvent, stepMetrics } from '../protocol/trainer.ts';
import { autoSet } from '../recipe/autoSet.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import type { EvaluatedSet } from './evaluate/evaluator.ts';

const nats = 'nats/token';

const called = (set: string): string => (set === autoSet ? "auto, the base's own texts" : set);

export function seriesOf(
  { method, train }: Pick<ResolvedRecipe, 'method' | 'train'>,
  sets: readonly Pick<EvaluatedSet, 'name' | 'kind'>[],
): SeriesEvent[] {
  const one = (name: string, label: string, unit: string, lane: SeriesEvent['lane']): SeriesEvent => {
    return { type: 'series', name, label, unit, lane };
  };
  const probes = sets.filter(({ kind }) => kind !== 'learning');
  return [
    one(stepMetrics.loss, 'task loss', nats, 'loss'),
    one(stepMetrics.objective, 'objective', nats, 'loss'),
    ...(method.replay ? [one(stepMetrics.replayLoss, 'replay loss', nats, 'loss')] : []),
    ...(method.regularize ? [one(stepMetrics.penaltyKl, 'KL penalty', nats, 'kl')] : []),
    one(stepMetrics.gradientNorm, 'gradient norm', '', 'gradientNorm'),
    ...(train.precision === 'f16'
      ? [
          one('lossScale', 'loss scale of f16', '', 'other'),
          one('skippedSteps', 'steps skipped, f16 overflowed', 'steps', 'other'),
        ]
      : []),
    one(stepMetrics.learningRate, 'learning rate', '', 'learningRate'),
    one(stepMetrics.tokensPerSecond, 'speed', 'tokens/s', 'speed'),
    one(stepMetrics.tokens, 'tokens', 'tokens', 'other'),
    one(stepMetrics.taskTokens, 'task tokens', 'tokens', 'other'),
    one('kl.train', 'KL to the base, training rows', nats, 'kl'),
    ...probes.map(({ name }) => one(`kl.${name}`, `KL to the base, ${called(name)}`, nats, 'kl')),
    ...probes.map(({ name }) => one(`forgetting.${name}`, `forgetting of ${called(name)}`, nats, 'forgetting')),
    ...sets
      .filter(({ kind }) => kind === 'learning')
      .map(({ name }) => one(`learning.${name}`, `learning on ${name}`, nats, 'other')),
  ];
}
