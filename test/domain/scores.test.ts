import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluatedOf, type ItemResult, scoreLearning, scoreSet } from '../../src/domain/scores.ts';
import { scoredEventSchema, setScoreSchema } from '../../src/protocol/trainer.ts';
import { normal, uniform } from './randomValues.ts';

const base: ItemResult[] = Array.from({ length: 200 }, (_, i) => ({ loss: 2 + 0.5 * normal(1, i) }));
const raised = (by: number, noise = 0.05): ItemResult[] =>
  base.map(({ loss }, i) => ({ loss: loss + by + noise * normal(2, i) }));
const text = { kind: 'text' as const, replayed: false, base, seed: 1 };

test('forgetting is the mean rise of the item losses, with base and tuned told apart', () => {
  const score = scoreSet({ ...text, tuned: raised(0.3, 0), budget: { nats: 0.05 } });
  assert.ok(Math.abs(score.value - 0.3) < 1e-12);
  assert.ok(Math.abs(score.tuned - score.base - 0.3) < 1e-12);
  assert.equal(score.unit, 'nats/token');
  assert.equal(score.items, 200);
  assert.equal(score.accuracy, undefined);
  assert.equal(score.verdict, 'forgot');
  assert.deepEqual(setScoreSchema.parse(JSON.parse(JSON.stringify(score))), score, 'it is what the protocol carries');
});

test('a planted rise beyond the budget is forgot, one within is kept, one at the budget cannot be told', () => {
  const verdict = (by: number) => scoreSet({ ...text, tuned: raised(by), budget: { nats: 0.05 } }).verdict;
  assert.equal(verdict(0.2), 'forgot');
  assert.equal(verdict(0.01), 'kept');
  assert.equal(verdict(-0.5), 'kept');
  assert.equal(verdict(0.05), 'cannot tell');
});

test('pairing takes the spread between items out: the interval is that of the differences', () => {
  const { low, high } = scoreSet({ ...text, tuned: raised(0.1) });
  assert.ok(high - low < 0.03, 'items differ by 0.5, differences by 0.05');
});

test('without a budget there are numbers and no verdict', () => {
  const score = scoreSet({ ...text, tuned: raised(1) });
  assert.equal('verdict' in score, false);
  assert.equal('budget' in score, false);
});

test('an unchanged model has forgotten nothing, to the last bit', () => {
  const score = scoreSet({ ...text, tuned: base, budget: { nats: 0 } });
  assert.deepEqual([score.value, score.low, score.high, score.verdict], [0, 0, 0, 'kept']);
});

const answers = (rights: boolean[]): ItemResult[] => rights.map(correct => ({ loss: 1, correct }));

test('accuracy counts flips both ways, since means cancel', () => {
  const before = answers(Array.from({ length: 200 }, (_, i) => i < 180));
  const after = answers(Array.from({ length: 200 }, (_, i) => i >= 30 && i < 190));
  const { accuracy } = scoreSet({ kind: 'choice', replayed: false, base: before, tuned: after, seed: 1 });
  assert.equal(accuracy?.lost, 30);
  assert.equal(accuracy?.gained, 10);
  assert.equal(accuracy?.base, 0.9);
  assert.equal(accuracy?.tuned, 0.8);
  assert.ok(Math.abs(accuracy!.drop - 10) < 1e-9);
  assert.ok(accuracy!.low < 10 && 10 < accuracy!.high);
});

test('a budget in points is judged by the drop of accuracy, also where the loss fell', () => {
  const before = answers(Array<boolean>(200).fill(true));
  const after = Array.from({ length: 200 }, (_, i) => ({ loss: 0.5, correct: i >= 30 }));
  const score = scoreSet({
    kind: 'choice',
    replayed: false,
    base: before,
    tuned: after,
    seed: 1,
    budget: { points: 2 },
  });
  assert.ok(score.value < 0);
  assert.equal(score.verdict, 'forgot');
});

test('no flip in 200 items is kept at 2 points, and cannot be told at 1', () => {
  const same = answers(Array<boolean>(200).fill(true));
  const verdict = (points: number) =>
    scoreSet({ kind: 'pairs', replayed: false, base: same, tuned: same, seed: 1, budget: { points } }).verdict;
  assert.equal(verdict(2), 'kept');
  assert.equal(verdict(1), 'cannot tell');
});

test('learning is the mean drop of loss: up = learned more', () => {
  const learning = scoreLearning(base, raised(-1), { seed: 1 });
  assert.ok(learning.low < 1 && 1 < learning.high && learning.low > 0.9);
  assert.ok(Math.abs(learning.base - learning.tuned - learning.value) < 1e-12);
});

test('chunks of one document count as one', () => {
  const clusters = base.map((_, i) => Math.floor(i / 10));
  const tuned = base.map(({ loss }, i) => ({ loss: loss + normal(5, clusters[i]!) }));
  const wide = scoreSet({ ...text, tuned, clusters });
  const narrow = scoreSet({ ...text, tuned });
  assert.ok(wide.high - wide.low > 2 * (narrow.high - narrow.low));
});

test('results that cannot be paired are refused', () => {
  assert.throws(() => scoreSet({ ...text, tuned: base.slice(1) }), RangeError);
  assert.throws(() => scoreLearning([], [], { seed: 1 }), RangeError);
});

test('the estimate is the plain mean of the differences for any items', () => {
  for (let sample = 0; sample < 20; sample++) {
    const size = 1 + Math.floor(uniform(sample, 0) * 30);
    const draw = (seed: number): ItemResult[] =>
      Array.from({ length: size }, (_, i) => ({ loss: 3 * uniform(seed, i + 1) }));
    const [before, after] = [draw(sample), draw(sample + 50)];
    const expected = after.reduce((sum, { loss }, i) => sum + loss - before[i]!.loss, 0) / size;
    const { value } = scoreSet({ kind: 'text', replayed: false, base: before, tuned: after, seed: 1 });
    assert.ok(Math.abs(value - expected) < 1e-12);
  }
});

test('bare scores become the evaluation that a trainer with statistics of its own would have said', () => {
  const budget = { nats: 0.05 };
  const tuned = raised(0.2);
  const said = {
    type: 'scored',
    step: 25,
    final: true,
    seed: 1,
    sets: { general: { kind: 'text', budget, base, tuned }, eval: { kind: 'learning', base: tuned, tuned: base } },
    kl: { train: 0.1 },
    items: 'final.jsonl',
  };
  const event = evaluatedOf(scoredEventSchema.parse(JSON.parse(JSON.stringify(said))));
  assert.deepEqual(event, {
    type: 'evaluated',
    step: 25,
    final: true,
    learning: { eval: scoreLearning(tuned, base, { seed: 1 }) },
    forgetting: { general: scoreSet({ ...text, tuned, budget }) },
    kl: { train: 0.1 },
    items: 'final.jsonl',
  });
  const uneven = { ...said, sets: { general: { kind: 'text', base, tuned: tuned.slice(1) } } };
  assert.ok(!scoredEventSchema.safeParse(uneven).success, 'items that cannot be paired are no message');
});
