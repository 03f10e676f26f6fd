import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricSeries } from '../../src/domain/metricSeries.ts';
import { cpuMs, isWithinCpu } from '../slowness.ts';
import { normal, uniform } from './randomValues.ts';

function seriesOf(values: (number | null)[]): MetricSeries {
  const series = new MetricSeries();
  for (const [i, value] of values.entries()) series.append(i, value);
  return series;
}

test('few points come back as they are, each in a bucket of its own', () => {
  const buckets = seriesOf([3, 1, null, 2]).buckets(0, 10, 100);
  assert.deepEqual(buckets, { steps: [0, 1, 2, 3], min: [3, 1, null, 2], max: [3, 1, null, 2], last: [3, 1, null, 2] });
});

test('a spike of one step among a million survives at any width', () => {
  const series = new MetricSeries();
  for (let step = 0; step < 1_000_000; step++) series.append(step, step === 777_777 ? 1000 : step === 3 ? -50 : 1);
  for (const columns of [1, 7, 400, 8192]) {
    const { max, min, steps } = series.buckets(0, 1_000_000, columns);
    assert.equal(Math.max(...max.map(Number)), 1000);
    assert.equal(Math.min(...min.map(Number)), -50);
    assert.ok(steps.length <= columns + 2);
  }
});

test('a million points are appended and cut into 2,000 columns quickly', () => {
  const series = new MetricSeries();
  const started = cpuMs();
  for (let step = 0; step < 1_000_000; step++) series.append(step, step % 97);
  const appended = cpuMs();
  series.buckets(0, 1_000_000, 2000);
  const [appending, cutting] = [appended - started, cpuMs() - appended];
  assert.ok(isWithinCpu(appending, 5000) && isWithinCpu(cutting, 2000), `${appending} ms, ${cutting} ms`);
});

test('for any series and any cut the extremes, the last value and the order are those of a plain scan', () => {
  for (let sample = 0; sample < 150; sample++) {
    const size = Math.floor(uniform(sample, 0) * 400);
    const points: { step: number; value: number }[] = [];
    let step = 0;
    for (let i = 0; i < size; i++) {
      step += 1 + Math.floor(uniform(sample, 2 * i + 1) * 5);
      points.push({ step, value: uniform(sample, 2 * i + 2) < 0.1 ? Number.NaN : normal(sample, i) });
    }
    const series = new MetricSeries();
    for (const { step: at, value } of points) series.append(at, value);
    const from = Math.floor(uniform(sample + 500, 1) * step);
    const to = from + Math.floor(uniform(sample + 500, 2) * (step - from + 5));
    const columns = 1 + Math.floor(uniform(sample + 500, 3) * 60);
    const { steps, min, max, last } = series.buckets(from, to, columns);

    const inside = points.filter(point => point.step >= from && point.step <= to);
    const finite = inside.map(({ value }) => value).filter(Number.isFinite);
    const within = [...steps.keys()].filter(i => steps[i]! >= from && steps[i]! <= to);
    const known = (values: (number | null)[]) => within.map(i => values[i]!).filter(value => value !== null);
    if (finite.length > 0) {
      assert.equal(Math.max(...known(max)), Math.max(...finite));
      assert.equal(Math.min(...known(min)), Math.min(...finite));
      assert.equal(known(last).at(-1), finite.at(-1));
    } else assert.deepEqual(known(max), []);
    assert.equal(within.length > 0, inside.length > 0);
    assert.ok(
      steps.every((at, i) => i === 0 || at > steps[i - 1]!),
      'steps ascend',
    );
    assert.ok(within.length <= Math.max(columns, 0) || inside.length <= columns + 2);
    assert.ok(steps.length - within.length <= 2, 'one neighbour on each side at most');
    for (const i of within) assert.ok(min[i] === null ? max[i] === null : min[i]! <= last[i]! && last[i]! <= max[i]!);
  }
});

test('a zoomed cut carries the neighbours, so that the line enters and leaves the picture', () => {
  const { steps } = seriesOf([0, 1, 2, 3, 4, 5]).buckets(2, 3, 10);
  assert.deepEqual(steps, [1, 2, 3, 4]);
});

test('values that are not finite are gaps, and counted', () => {
  const series = seriesOf([1, null, Number.NaN, Number.POSITIVE_INFINITY, 2, null]);
  assert.equal(series.nonFinite, 4);
  assert.equal(series.length, 6);
  assert.equal(series.last, 2);
  assert.equal(series.first, 1);
  assert.equal(series.total, 3);
  assert.deepEqual(series.since(0).values, [1, null, null, null, 2, null]);
});

test('a reader with a cursor gets each point once', () => {
  const series = new MetricSeries();
  const seen: number[] = [];
  let cursor = 0;
  for (let step = 0; step < 500; step++) {
    series.append(step, step);
    if (uniform(1, step) > 0.3) continue;
    seen.push(...series.since(cursor).steps);
    cursor = series.length;
  }
  seen.push(...series.since(cursor).steps);
  assert.deepEqual(
    seen,
    Array.from({ length: 500 }, (_, i) => i),
  );
  assert.deepEqual(series.since(500), { steps: [], values: [] });
  assert.equal(series.version, 0);
});

test('a step that comes again replaces what was there, and readers can tell', () => {
  const series = seriesOf([1, 2, 3]);
  series.append(2, 9);
  assert.deepEqual(series.since(0), { steps: [0, 1, 2], values: [1, 2, 9] });
  assert.equal(series.version, 1);
});

test('cutting back forgets later points, their gaps and their sum', () => {
  const series = seriesOf([1, 2, null, 4]);
  series.cutAfter(1);
  assert.deepEqual([series.length, series.nonFinite, series.total, series.lastStep], [2, 0, 3, 1]);
  series.cutAfter(10);
  assert.equal(series.version, 1, 'nothing was lost the second time');
});

test('an empty series has no buckets and no values', () => {
  const series = new MetricSeries();
  assert.deepEqual(series.buckets(0, 10, 5), { steps: [], min: [], max: [], last: [] });
  assert.deepEqual([series.last, series.first, series.lastStep], [null, null, null]);
});
