import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import { type Evaluation, Evaluations } from '../../src/domain/evaluations.ts';
import { setScore } from './runs.ts';

const evaluation = (step: number, value = step): Evaluation => ({
  step,
  final: false,
  learning: {},
  forgetting: { general: setScore(value) },
  kl: { train: null },
});

function listOf(...steps: number[]): Evaluations {
  const list = new Evaluations();
  for (const step of steps) list.add(evaluation(step));
  return list;
}

const restored = (list: Evaluations): Evaluations => Evaluations.restore(deserialize(serialize(list.snapshot())));

test('a list that comes out of a cache is the list that went into it, and goes on as that would', () => {
  const list = listOf(10, 20, 30);
  for (const one of [list, restored(list), restored(restored(list))]) {
    assert.deepEqual(one.newest, evaluation(30));
    assert.deepEqual(one.all(), [evaluation(10), evaluation(20), evaluation(30)]);
    one.cutAfter(20);
    assert.deepEqual(one.newest, evaluation(20));
    one.add(evaluation(20, 0.5));
    assert.deepEqual(one.all(), [evaluation(10), evaluation(20, 0.5)]);
    assert.equal(one.length, 2);
  }
});

test('an evaluation of an earlier step takes the place of all that came later', () => {
  const list = listOf(10, 20, 30);
  list.add(evaluation(15));
  assert.deepEqual(
    list.all().map(({ step }) => step),
    [10, 15],
  );
});

test('an empty list has no newest, and a fork takes those of its beginning', () => {
  assert.equal(new Evaluations().newest, null);
  const fork = new Evaluations();
  fork.addAll(restored(listOf(10, 20, 30)), 20);
  fork.add(evaluation(25));
  assert.deepEqual(
    fork.all().map(({ step }) => step),
    [10, 20, 25],
  );
});

test('a fork takes as many as its parent has', () => {
  const parent = new Evaluations();
  for (let step = 1; step <= 200_000; step++) parent.add(evaluation(step));
  const fork = new Evaluations();
  fork.addAll(parent, 200_000);
  assert.equal(fork.length, 200_000);
});
