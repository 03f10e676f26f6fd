import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshProgress, isBetter, scoreOf } from '../../../src/engine/checkpoints.ts';
import { learningRateSchedule } from '../../../src/engine/schedule.ts';
import type { EvaluatedEvent, SetScore } from '../../../src/protocol/trainer.ts';
import { recipeSchema } from '../../../src/recipe/schema.ts';

type Given = Parameters<typeof learningRateSchedule>[0];
const recipe = (train: object, method: object = {}): Given => {
  const { train: whole, method: parts } = recipeSchema.parse({ model: 'm', data: { train: 't' }, train, method });
  return { train: { ...whole, micro_batch_size: 1 }, method: parts };
};

test('after a linear warm-up the rate is at its peak, and the last step still moves', () => {
  const schedule = learningRateSchedule(recipe({ learning_rate: 1, warmup_steps: 4 }), 20);
  assert.deepEqual([1, 2, 3, 4, 5].map(schedule.at), [0.2, 0.4, 0.6, 0.8, 1]);
  assert.ok(schedule.at(20) > 0 && schedule.at(20) < 0.02);
});

test('cosine, linear and constant have their shapes', () => {
  const at = (lr_scheduler: string, step: number): number =>
    learningRateSchedule(recipe({ learning_rate: 2, lr_scheduler }), 10).at(step);
  assert.ok(Math.abs(at('cosine', 6) - 1) < 1e-12);
  assert.equal(at('linear', 6), 1);
  assert.equal(at('constant', 10), 2);
  assert.deepEqual([at('cosine', 1), at('linear', 1), at('constant', 1)], [2, 2, 2]);
});

test('narrow tuning may have a rate of its own, and a warm-up longer than the run still ends at the peak', () => {
  const own = recipe({ learning_rate: 1, lr_scheduler: 'constant' }, { narrow: { learning_rate: 5 } });
  assert.equal(learningRateSchedule(own, 10).at(3), 5);
  assert.equal(learningRateSchedule(recipe({ learning_rate: 1, warmup_steps: 50 }), 10).at(10), 1);
});

function evaluation(excesses: number[], losses: number[]): EvaluatedEvent {
  const set = (value: number): SetScore => ({
    ...{ kind: 'text', replayed: false, unit: 'nats/token', items: 32, low: value, high: value, value },
    ...{ base: 1, tuned: 1 + value, budget: { nats: 0.05 } },
  });
  const learning = (tuned: number) => ({ value: 0, low: 0, high: 0, unit: 'nats/token', items: 8, base: 3, tuned });
  return {
    type: 'evaluated',
    step: 1,
    final: false,
    forgetting: Object.fromEntries(excesses.map((excess, i) => [`set${i}`, set(0.05 + excess)])),
    learning: Object.fromEntries(losses.map((loss, i) => [`eval${i}`, learning(loss)])),
    kl: {},
  };
}

test('the best checkpoint learned most among those within budget; outside it, the one least over comes first', () => {
  const at = (excesses: number[], loss: number) => scoreOf(evaluation(excesses, [loss]));
  const within = { ...freshProgress, bestExcess: 0, bestLoss: 1 };
  assert.equal(isBetter(at([-0.04, -0.01], 0.9), within), true);
  assert.equal(isBetter(at([-0.04, -0.01], 1.1), within), false);
  assert.equal(isBetter(at([-0.04, 0.1], 0.2), within), false);
  const over = { ...freshProgress, bestExcess: 0.2, bestLoss: 0.1 };
  assert.equal(isBetter(at([0.1, 0.05], 2), over), true);
});
