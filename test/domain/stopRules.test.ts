import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StopRules } from '../../src/domain/stopRules.ts';
import type { EvaluatedEvent, StepEvent, Verdict } from '../../src/protocol/trainer.ts';
import { travelling } from '../../src/protocol/trainerLines.ts';

const step = (at: number, metrics: Record<string, number>): StepEvent => ({
  type: 'step',
  step: at,
  ...travelling(metrics),
});

const interval = (value: number) => ({ value, low: value, high: value, unit: 'nats/token', items: 64 });

const evaluation = (
  at: number,
  sets: Record<string, [value: number, verdict?: Verdict]>,
  more: Partial<EvaluatedEvent> = {},
): EvaluatedEvent => ({
  type: 'evaluated',
  step: at,
  final: false,
  learning: { eval: { ...interval(1), base: 3, tuned: 2 } },
  forgetting: Object.fromEntries(
    Object.entries(sets).map(([set, [value, verdict]]) => [
      set,
      { ...interval(value), kind: 'text', replayed: false, base: 2, tuned: 2 + value, ...(verdict && { verdict }) },
    ]),
  ),
  kl: { train: 0.1 },
  ...more,
});

test('a rule without a duration is broken at once, and tells rule, step and number', () => {
  const rules = new StopRules(['loss > 5']);
  assert.equal(rules.judge(step(1, { loss: 5 })), null);
  assert.deepEqual(rules.judge(step(2, { loss: 6.25 })), { rule: 'loss > 5', step: 2, seen: 'loss 6.25' });
});

test('"for N steps" means in a row', () => {
  const rules = new StopRules(['loss > 5 for 3 steps']);
  const broken = [6, 6, 4, 6, 6, 6].map((loss, index) => rules.judge(step(index + 1, { loss })));
  assert.deepEqual(
    broken.map(rule => rule?.step ?? null),
    [null, null, null, null, null, 6],
  );
});

test('a step that does not measure the metric neither breaks a rule nor ends a streak', () => {
  const rules = new StopRules(['penalty.kl > 0.3 for 2 steps']);
  assert.equal(rules.judge(step(1, { loss: 1, 'penalty.kl': 0.4 })), null);
  assert.equal(rules.judge(step(2, { loss: 1 })), null);
  assert.equal(rules.judge(step(3, { loss: 1, 'penalty.kl': 0.4 }))?.step, 3);
});

test('not a number and the infinities are nan; an infinity is also above every number, and nan is above none', () => {
  for (const loss of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    assert.equal(new StopRules(['loss is nan']).judge(step(1, { loss }))?.seen, 'loss not a finite number');
  const above = (loss: number) => new StopRules(['loss > 5']).judge(step(1, { loss })) !== null;
  assert.deepEqual(
    [above(Number.POSITIVE_INFINITY), above(Number.NEGATIVE_INFINITY), above(Number.NaN)],
    [true, false, false],
  );
  const kl = evaluation(5, { general: [0] }, { kl: { train: null } });
  assert.equal(new StopRules(['kl is nan']).judge(kl)?.seen, 'kl.train not a finite number');
});

test('evaluations are counted as evaluations, however many steps lie between', () => {
  const rules = new StopRules(['forgetting.general > 0.05 for 2 evals']);
  assert.equal(rules.judge(evaluation(10, { general: [0.06], other: [9] })), null);
  for (let at = 11; at < 20; at++) assert.equal(rules.judge(step(at, { loss: 1 })), null);
  assert.deepEqual(rules.judge(evaluation(20, { general: [0.0712345] })), {
    rule: 'forgetting.general > 0.05 for 2 evals',
    step: 20,
    seen: 'forgetting.general 0.07123',
  });
});

test('a verdict is judged as it was told, and a name without a set means any set', () => {
  const rules = new StopRules(['forgetting is forgot for 2 evals']);
  assert.equal(rules.judge(evaluation(1, { a: [0.1, 'forgot'], b: [0.1, 'kept'] })), null);
  assert.equal(
    rules.judge(evaluation(2, { a: [0.1, 'cannot tell'], b: [0.2, 'forgot'] }))?.seen,
    'forgetting.b 0.2 (forgot)',
  );
});

test('learning, held-out loss and KL have rules too', () => {
  const at = evaluation(3, {});
  assert.ok(new StopRules(['learning < 2']).judge(at));
  assert.ok(new StopRules(['loss.eval < 2.5']).judge(at));
  assert.ok(new StopRules(['kl.train >= 0.1']).judge(at));
  assert.equal(new StopRules(['kl.general >= 0.1']).judge(at), null);
});

test('the evaluation at the end breaks nothing: there is nothing left to stop', () => {
  assert.equal(new StopRules(['forgetting > 0']).judge(evaluation(9, { a: [1] }, { final: true })), null);
});

test('of several rules the first that is broken is told, and each keeps its own count', () => {
  const rules = new StopRules(['loss > 5 for 2 steps', 'gradientNorm > 9']);
  assert.equal(rules.judge(step(1, { loss: 6, gradientNorm: 1 })), null);
  assert.equal(rules.judge(step(2, { loss: 6, gradientNorm: 10 }))?.rule, 'loss > 5 for 2 steps');
  assert.equal(rules.judge(step(3, { loss: 6, gradientNorm: 1 })), null, 'a broken rule counts anew');
  assert.equal(rules.judge(step(4, { loss: 6, gradientNorm: 1 }))?.step, 4);
});

test('taken back to any step and fed the rest again, rules break exactly as without the way back', () => {
  const losses = [1, 6, 6, 1, 6, 6, 1, 1, 6, 6, 6, 1, 6, 6];
  const text = ['loss > 5 for 3 steps'];
  const feed = (rules: StopRules, from: number) =>
    losses.slice(from).flatMap((loss, index) => rules.judge(step(from + index + 1, { loss })) ?? []);
  const whole = feed(new StopRules(text), 0);
  assert.equal(whole.length, 1);
  for (let reached = 0; reached <= losses.length; reached++) {
    for (let back = 0; back <= reached; back++) {
      const rules = new StopRules(text);
      const before = losses.slice(0, reached).flatMap((loss, index) => rules.judge(step(index + 1, { loss })) ?? []);
      rules.rewind(back);
      const after = feed(rules, back);
      assert.deepEqual([...before.filter(rule => rule.step <= back), ...after], whole, `${reached} back to ${back}`);
    }
  }
});
