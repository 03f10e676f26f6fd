import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overSeeds, type SeedRun } from '../../src/domain/overSeeds.ts';
import type { RunResult, SetResult } from '../../src/protocol/result.ts';

const set = (value: number, more: Partial<SetResult> = {}): SetResult => ({
  value,
  low: value,
  high: value,
  unit: 'nats/token',
  items: 200,
  replayed: false,
  ...more,
});

const drop = (points: number): SetResult =>
  set(9, {
    budget: { points: 2 },
    accuracy: { base: 1, tuned: 1, drop: points, low: points, high: points, lost: 0, gained: 0 },
  });

const run = (variant: string, settings: Record<string, string>, result: Partial<RunResult>): SeedRun => ({
  settings: { variant, name: 'a', ...settings },
  result: { variant, status: 'finished', learning: {}, forgetting: {}, verdict: null, ...result } as RunResult,
});

test('runs that differ in nothing but the seed are taken together: mean, least, most, and how many kept', () => {
  const runs = [1, 2, 3].map(seed =>
    run(
      `weight=0.1 seed=${seed}`,
      { 'train.seed': String(seed), weight: '0.1' },
      {
        learning: { eval: { ...set(seed), unit: 'nats/token' } },
        forgetting: { general: set(seed / 10), arithmetic: drop(seed) },
        verdict: seed === 3 ? 'forgot' : 'kept',
      },
    ),
  );
  const [found, ...more] = overSeeds(runs);
  assert.deepEqual(more, []);
  assert.deepEqual([found?.label, found?.seeds, found?.unfinished, found?.kept], ['weight=0.1', 3, 0, 2]);
  assert.deepEqual(found?.learning, { eval: { mean: 2, min: 1, max: 3 } });
  assert.deepEqual(found?.forgetting.arithmetic, { mean: 2, min: 1, max: 3, inPoints: true });
  const { mean = 0, min, max, inPoints } = found?.forgetting.general ?? {};
  assert.ok(Math.abs(mean - 0.2) < 1e-12);
  assert.deepEqual([min, max, inPoints], [0.1, 0.3, false]);
});

test('other settings make other groups, and a seed alone makes none', () => {
  const of = (weight: string, seed: string) => run(`weight=${weight} seed=${seed}`, { weight, 'train.seed': seed }, {});
  const groups = overSeeds([of('1', '1'), of('1', '2'), of('2', '1'), of('2', '2'), of('3', '1')]);
  assert.deepEqual(
    groups.map(({ label }) => label),
    ['weight=1', 'weight=2'],
  );
});

test('a run that was stopped or failed is counted and says nothing; one that is left has no range', () => {
  const learning = (value: number) => ({ learning: { eval: set(value) } });
  const [found] = overSeeds([
    run('seed=1', { 'train.seed': '1' }, learning(2)),
    run('seed=2', { 'train.seed': '2' }, { ...learning(99), status: 'stopped' }),
    run('seed=3', { 'train.seed': '3' }, learning(4)),
  ]);
  assert.deepEqual([found?.label, found?.seeds, found?.unfinished], ['', 3, 1]);
  assert.deepEqual(found?.learning.eval, { mean: 3, min: 2, max: 4 });
  const alone = [
    run('seed=1', { 'train.seed': '1' }, learning(2)),
    run('seed=2', { 'train.seed': '2' }, { status: 'failed' }),
  ];
  assert.deepEqual(overSeeds(alone), []);
});
