import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axisOf, spread } from '../../webview/compare/planeModel.ts';
import { sorted } from '../../webview/compare/sorting.ts';

test('rows sort by numbers, and what has no value stays last in both directions', () => {
  const rows = [{ v: 10 }, { v: null }, { v: 9 }, { v: -1 }];
  const order = (descending: boolean) => sorted(rows, row => row.v, descending).map(row => row.v);
  assert.deepEqual(order(false), [-1, 9, 10, null]);
  assert.deepEqual(order(true), [10, 9, -1, null]);
});

test('an axis of the plane holds every interval whole', () => {
  const points = [
    { value: 1, low: 0.4, high: 1.2 },
    { value: 2, low: 1.9, high: 2.6 },
  ];
  const axis = axisOf(points, [], () => []);
  assert.ok(axis.low < 0.4 && axis.high > 2.6);
  assert.ok(axisOf(points, [0], () => []).low < 0);
});

test('labels move apart and stay in order', () => {
  const moved = spread([10, 12, 11, 90], 15, 0, 100);
  assert.deepEqual(moved, [10, 40, 25, 90]);
  assert.deepEqual(spread([98, 99], 15, 0, 100), [85, 100]);
});
