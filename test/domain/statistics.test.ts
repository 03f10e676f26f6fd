import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { uint32At } from '../../src/domain/randomNumbers.ts';
import {
  normalCdf,
  normalQuantile,
  pairedBootstrap,
  pairedShareDrop,
  quantile,
  suggestBudget,
  verdictFor,
  worstVerdict,
} from '../../src/domain/statistics.ts';
import { normal, uniform } from './randomValues.ts';

/** Made by test/domain/fixtures/statistics.py. */
const reference: {
  bootstrap: { name: string; values: number[]; mean: number; bca: [number, number] }[];
  clustered: { values: number[]; clusters: number[]; mean: number; bca: [number, number] };
  shares: { lost: number; gained: number; items: number; low: number; high: number }[];
  cdf: [number, number][];
  ppf: [number, number][];
  quantile: { sorted: number[]; at: [number, number][] };
} = JSON.parse(readFileSync('test/domain/fixtures/statistics.json', 'utf8'));

const near = (actual: number, expected: number, tolerance: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, expected ${expected} ± ${tolerance}`);

for (const { name, values, mean, bca } of reference.bootstrap) {
  test(`the interval of ${name} differences is that of scipy's BCa bootstrap`, () => {
    const width = bca[1] - bca[0];
    const many = pairedBootstrap(values, { seed: 3, resamples: 40_000 });
    near(many.value, mean, 1e-12, 'mean');
    near(many.low, bca[0], 0.02 * width, 'low');
    near(many.high, bca[1], 0.02 * width, 'high');
    const usual = pairedBootstrap(values, { seed: 3 });
    near(usual.low, bca[0], 0.08 * width, 'low of 2,000 resamples');
    near(usual.high, bca[1], 0.08 * width, 'high of 2,000 resamples');
  });
}

test("chunks of one document are drawn together: scipy's interval over documents, wider than over chunks", () => {
  const { values, clusters, mean, bca } = reference.clustered;
  const estimate = pairedBootstrap(values, { clusters, seed: 5, resamples: 40_000 });
  const width = bca[1] - bca[0];
  near(estimate.value, mean, 1e-9, 'mean');
  near(estimate.low, bca[0], 0.02 * width, 'low');
  near(estimate.high, bca[1], 0.02 * width, 'high');
  assert.equal(estimate.items, values.length);
  assert.equal(estimate.clusters, 40);
  assert.match(estimate.method, /clusters/);
  const chunks = pairedBootstrap(values, { seed: 5 });
  assert.ok(chunks.high - chunks.low < 0.75 * width);
});

test('the normal distribution and its inverse have the digits of scipy', () => {
  for (const [z, share] of reference.cdf) near(normalCdf(z), share, 1e-12 * share + 1e-16, `cdf(${z})`);
  for (const [share, z] of reference.ppf) near(normalQuantile(share), z, 1e-7 * Math.abs(z) + 1e-12, `ppf(${share})`);
});

test("quantiles are numpy's", () => {
  const { sorted, at } = reference.quantile;
  for (const [share, value] of at) near(quantile(sorted, share), value, 1e-12, `quantile(${share})`);
});

test('the interval of a drop of accuracy is that of Bonett and Price', () => {
  for (const { lost, gained, items, low, high } of reference.shares) {
    const drop = pairedShareDrop(lost, gained, items);
    near(drop.low, low, 1e-9, 'low');
    near(drop.high, high, 1e-9, 'high');
    assert.equal(drop.value, (lost - gained) / items);
  }
});

test('no flip among 60 items is no proof that nothing was lost; among 400 it nearly is', () => {
  assert.ok(pairedShareDrop(0, 0, 60).high > 0.04);
  assert.ok(pairedShareDrop(0, 0, 400).high < 0.01);
});

test('the 95 % interval of the bootstrap holds the true mean in about 95 of 100 samples', () => {
  const trials = 400;
  let held = 0;
  for (let trial = 0; trial < trials; trial++) {
    const values = Array.from({ length: 60 }, (_, i) => 0.05 + 0.1 * normal(trial, i));
    const { low, high } = pairedBootstrap(values, { seed: trial, resamples: 600 });
    if (low <= 0.05 && 0.05 <= high) held += 1;
  }
  // 3.5 standard errors around a share of 0.94, which is what a bootstrap of 60 items reaches.
  near(held / trials, 0.94, 0.042, 'share of intervals that hold the mean');
});

test('the interval of a drop of accuracy holds the true drop, also where flips are rare', () => {
  for (const [lostShare, gainedShare] of [
    [0.01, 0.005],
    [0.1, 0.02],
  ] as const) {
    const trials = 1500;
    let held = 0;
    for (let trial = 0; trial < trials; trial++) {
      let [lost, gained] = [0, 0];
      for (let i = 0; i < 200; i++) {
        const draw = uniform(trial + 7, i);
        if (draw < lostShare) lost += 1;
        else if (draw < lostShare + gainedShare) gained += 1;
      }
      const { low, high } = pairedShareDrop(lost, gained, 200);
      if (low <= lostShare - gainedShare && lostShare - gainedShare <= high) held += 1;
    }
    assert.ok(held / trials > 0.935, `${held} of ${trials}`);
  }
});

test('the same seed gives the same interval to the last bit, another seed another one', () => {
  const values = reference.bootstrap[0]!.values;
  const again = (seed: number) => pairedBootstrap(values, { seed });
  assert.deepEqual(again(1), again(1));
  assert.notEqual(again(1).low, again(2).low);
});

test('values that are all the same have an interval of no width; one item says nothing of its spread', () => {
  const same = pairedBootstrap(Array<number>(100).fill(0.25), { seed: 1 });
  assert.deepEqual([same.value, same.low, same.high], [0.25, 0.25, 0.25]);
  const zeros = pairedBootstrap(Array<number>(100).fill(0), { seed: 1 });
  assert.deepEqual([zeros.value, zeros.low, zeros.high], [0, 0, 0]);
  assert.equal(pairedBootstrap([3], { seed: 1 }).high, 3);
});

test('the ends lie around the mean and within the values, for any sample', () => {
  for (let sample = 0; sample < 60; sample++) {
    const size = 2 + Math.floor(uniform(sample, 0) * 80);
    const values = Array.from({ length: size }, (_, i) => normal(sample, i + 1) ** 3);
    const { value, low, high } = pairedBootstrap(values, { seed: sample, resamples: 300 });
    assert.ok(low <= value && value <= high, `${low} ${value} ${high}`);
    assert.ok(low >= Math.min(...values) && high <= Math.max(...values));
  }
});

test('clusters must be as many as values', () => {
  assert.throws(() => pairedBootstrap([1, 2, 3], { clusters: [0, 1], seed: 1 }), RangeError);
});

test('the random numbers are spread evenly over their range, over seeds too', () => {
  const counts = new Array<number>(64).fill(0);
  for (let i = 0; i < 64_000; i++) counts[uint32At(i % 7, i) >>> 26]! += 1;
  const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquare < 115, `chi-square of 63 degrees: ${chiSquare}`);
});

const estimate = (low: number, high: number, items = 200) => ({ value: (low + high) / 2, low, high, items });

test('forgot needs the whole interval above the budget, kept the whole interval at or below it', () => {
  assert.equal(verdictFor(estimate(0.06, 0.1), 0.05).verdict, 'forgot');
  assert.equal(verdictFor(estimate(0.05, 0.1), 0.05).verdict, 'cannot tell');
  assert.equal(verdictFor(estimate(0.01, 0.05), 0.05).verdict, 'kept');
  assert.equal(verdictFor(estimate(0.01, 0.0500001), 0.05).verdict, 'cannot tell');
  assert.equal(verdictFor(estimate(-0.3, -0.1), 0).verdict, 'kept');
});

test('under 50 items the verdict is always "cannot tell"', () => {
  assert.deepEqual(verdictFor(estimate(5, 6, 49), 0.05), { verdict: 'cannot tell', itemsNeeded: 50 });
  assert.deepEqual(verdictFor(estimate(-6, -5, 49), 0.05), { verdict: 'cannot tell', itemsNeeded: 50 });
  assert.equal(verdictFor(estimate(5, 6, 50), 0.05).verdict, 'forgot');
});

test('"cannot tell" says how many items it would take: n · (half-width / distance to the budget)²', () => {
  const close = verdictFor({ value: 0.04, low: 0.02, high: 0.06, items: 200 }, 0.05);
  assert.ok(close.itemsNeeded! >= 800 && close.itemsNeeded! <= 801);
  assert.equal(verdictFor({ value: 0.05, low: 0.02, high: 0.08, items: 200 }, 0.05).itemsNeeded, undefined);
});

test('numbers that are not finite are never a verdict', () => {
  const infinite = Number.POSITIVE_INFINITY;
  assert.deepEqual(verdictFor(estimate(Number.NaN, 1), 0.05), { verdict: 'cannot tell' });
  const broken = { value: infinite, low: infinite, high: infinite, items: 99 };
  assert.deepEqual(verdictFor(broken, 1), { verdict: 'cannot tell' });
});

test('a verdict never gets worse with a larger budget, for any interval', () => {
  const rank = { kept: 0, 'cannot tell': 1, forgot: 2 };
  for (let i = 0; i < 500; i++) {
    const [a, b, c, d] = [0, 1, 2, 3].map(lane => uniform(i, lane)) as [number, number, number, number];
    const interval = estimate(Math.min(a, b) - 0.5, Math.max(a, b) - 0.5, 50 + i);
    const [less, more] = [Math.min(c, d), Math.max(c, d)];
    assert.ok(rank[verdictFor(interval, more).verdict] <= rank[verdictFor(interval, less).verdict]);
  }
});

test('the number of items it would take is enough: at that many, such an interval is clear', () => {
  let judged = 0;
  for (let i = 0; i < 300; i++) {
    const items = 50 + Math.floor(uniform(i, 0) * 500);
    const value = uniform(i, 1) * 0.2;
    const half = uniform(i, 2) * 0.1;
    const { verdict, itemsNeeded } = verdictFor({ value, low: value - half, high: value + half, items }, 0.1);
    if (verdict !== 'cannot tell' || itemsNeeded === undefined) continue;
    judged += 1;
    assert.ok(itemsNeeded > items);
    assert.ok(Math.abs(value - 0.1) >= half * Math.sqrt(items / itemsNeeded) * 0.999);
  }
  assert.ok(judged > 50);
});

test("a run's verdict is that of its worst set; sets without a budget have no say", () => {
  assert.equal(worstVerdict(['kept', 'forgot', 'cannot tell']), 'forgot');
  assert.equal(worstVerdict(['kept', undefined, 'cannot tell']), 'cannot tell');
  assert.equal(worstVerdict(['kept', null]), 'kept');
  assert.equal(worstVerdict([undefined]), null);
  assert.equal(worstVerdict([]), null);
});

test("the suggested budget is what the set's own noise lets it tell", () => {
  assert.equal(suggestBudget({ value: 0.02, low: 0.01, high: 0.033 }), 0.023);
  assert.equal(suggestBudget({ value: 1, low: 0, high: 2.01 }), 2.1);
  assert.equal(suggestBudget({ value: 0, low: 0, high: 0 }), 0);
  const noise = { value: 0, low: -0.03, high: 0.03, items: 100 };
  assert.equal(verdictFor(noise, suggestBudget(noise)).verdict, 'kept');
});
