import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lossOf, recovery, spread } from '../../bench/forgetting/tables.ts';
import type { RunResult, SetResult } from '../../src/protocol/result.ts';

const set = (value: number, verdict: SetResult['verdict'], drop?: number): SetResult => ({
  value,
  low: value,
  high: value,
  unit: 'nats/token',
  items: 300,
  replayed: false,
  verdict,
  ...(drop === undefined
    ? {}
    : { accuracy: { base: 1, tuned: 1 - drop / 100, drop, low: drop, high: drop, lost: 0, gained: 0 } }),
});
const run = (forgetting: Record<string, SetResult>) => ({ forgetting }) as RunResult;

test('the interval over three seeds is that of Student', () => {
  const { mean, low, high } = spread([1, 2, 3]);
  assert.equal(mean, 2);
  assert.ok(Math.abs(high - 4.484) < 1e-3 && Math.abs(low + 0.484) < 1e-3);
});

test('a set with choices loses points, a text set nats', () => {
  assert.equal(lossOf(set(0.4, 'forgot', 30)), 30);
  assert.equal(lossOf(set(0.4, 'forgot')), 0.4);
});

test('recovery counts the sets that plain tuning forgot, and no other', () => {
  const plain = run({ general: set(1, 'forgot'), arithmetic: set(0.5, 'forgot', 40), grammar: set(0.1, 'kept', 1) });
  const other = run({ general: set(0.1, 'kept'), arithmetic: set(0.2, 'forgot', 20), grammar: set(0.9, 'forgot', 9) });
  assert.ok(Math.abs(recovery(other, plain)! - (0.9 + 0.5) / 2) < 1e-12);
  assert.equal(recovery(plain, run({ general: set(0, 'kept') })), null);
});
