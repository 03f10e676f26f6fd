import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeriesData } from '../../webview/shared/seriesData.ts';

function series(values: (number | null)[], from = 0): SeriesData {
  const data = new SeriesData();
  data.append({ steps: values.map((_, index) => from + index), values });
  return data;
}

test('points come after the buckets; what a bucket already holds is not drawn twice', () => {
  const data = new SeriesData();
  data.replace({ steps: [0, 10], min: [1, 2], max: [3, 4], last: [2, 3] });
  data.append({ steps: [9, 10, 11], values: [7, 8, 9] });
  assert.deepEqual(data.steps, [0, 10, 11]);
  assert.deepEqual(data.last, [2, 3, 9]);
  assert.equal(data.appended, 1);
});

test('the value at a step is the newest at or before it', () => {
  const data = new SeriesData();
  data.replace({ steps: [5, 10, 20], min: [1, 2, 3], max: [1, 2, 3], last: [1, 2, 3] });
  assert.deepEqual(
    [0, 5, 9, 10, 19.5, 99].map(step => data.valueAt(step)),
    [null, 1, 1, 2, 2, 3],
  );
});

test('the extent goes by both ends of the buckets, so a spike inside a bucket counts', () => {
  const data = new SeriesData();
  data.replace({ steps: [0, 10, 20], min: [1, 0.5, 1], max: [2, 90, 2], last: [1, 1, 1] });
  assert.deepEqual(data.extent(0, 30), [0.5, 90]);
  assert.deepEqual(data.extent(20, 30), [1, 2]);
});

test('values that are not finite have no part in the extent', () => {
  assert.deepEqual(series([1, null, 3]).extent(0, 9), [1, 3]);
  assert.equal(series([null]).extent(0, 9), null);
});

test('smoothing leaves a constant alone and starts without a bias', () => {
  assert.deepEqual(
    series([4, 4, 4, 4])
      .smoothed(10)
      .map(value => Math.round(value! * 1e9) / 1e9),
    [4, 4, 4, 4],
  );
});

test('smoothing an appended series equals smoothing it at once', () => {
  const values = Array.from({ length: 50 }, (_, index) => Math.sin(index));
  const grown = series(values.slice(0, 20));
  grown.smoothed(7);
  grown.append({ steps: values.slice(20).map((_, index) => 20 + index), values: values.slice(20) });
  assert.deepEqual([...grown.smoothed(7)], [...series(values).smoothed(7)]);
});

test('smoothing follows the formula: weights fall by e over the window, in steps', () => {
  const values = [3, 1, 2, 5];
  const smoothed = series(values).smoothed(2);
  const expected = values.map((_, end) => {
    let sum = 0;
    let weight = 0;
    for (let i = 0; i <= end; i++) {
      const w = Math.exp(-(end - i) / 2);
      sum += w * values[i]!;
      weight += w;
    }
    return sum / weight;
  });
  for (const [index, value] of smoothed.entries()) assert.ok(Math.abs(value! - expected[index]!) < 1e-12);
});

test('a value that is not finite is a gap in the smoothed line and no poison', () => {
  const smoothed = series([2, null, 2]).smoothed(5);
  assert.equal(smoothed[1], null);
  assert.equal(smoothed[2], 2);
});

test('intervals come with buckets and points, widen the extent, and are absent where none were told', () => {
  const data = new SeriesData();
  data.replace({ steps: [0, 10], min: [1, 2], max: [1, 3], last: [1, 3], low: [0.5, null], high: [1.5, null] });
  data.append({ steps: [20], values: [4], low: [3.5], high: [6] });
  data.append({ steps: [30], values: [5] });
  assert.deepEqual(
    [data.low, data.high],
    [
      [0.5, null, 3.5, null],
      [1.5, null, 6, null],
    ],
  );
  assert.deepEqual(data.extent(0, 30), [0.5, 6]);
  assert.deepEqual(data.extent(10, 10), [2, 6], 'with what the line goes to');
  assert.deepEqual(data.extent(0, 30, 1), [1.5, 6], 'above what a logarithm can show');
  data.replace({ steps: [0], min: [1], max: [1], last: [1] });
  assert.deepEqual([data.low, data.high], [[null], [null]]);
});
