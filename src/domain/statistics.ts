/**
 * How sure a mean over items is, and what that says of a budget. Paired: the values are differences between tuned and
 * base on the same items. Knows nothing of models or of what the items are.
 */
import type { Verdict } from '../protocol/trainer.ts';
import { fewestItems } from '../recipe/fewestItems.ts';
import { indexAt } from './randomNumbers.ts';

export interface Interval {
  value: number;
  low: number;
  high: number;
}

export interface BootstrapEstimate extends Interval {
  items: number;
  /** Groups that were drawn; equals `items` without clusters. */
  clusters: number;
  method: string;
}

export interface BootstrapOptions {
  /** The cluster of each value: items that belong together are drawn together. */
  clusters?: readonly number[];
  seed: number;
  resamples?: number;
}

const defaultResamples = 2000;
const level = 0.95;

/**
 * Mean of the values with a 95 % interval: bootstrap over items (or clusters), bias-corrected and accelerated (Efron
 * 1987), which stays honest for skewed differences. A mean that cannot vary has an interval of no width.
 */
export function pairedBootstrap(values: readonly number[], options: BootstrapOptions): BootstrapEstimate {
  const { seed, resamples = defaultResamples } = options;
  const groups = groupSums(values, options.clusters);
  const count = groups.sums.length;
  const value = mean(groups);
  const method = `paired bootstrap over ${options.clusters ? 'clusters' : 'items'}, BCa, ${resamples} resamples, 95 %`;
  const base = { value, items: values.length, clusters: count, method };
  if (count < 2) return { ...base, low: value, high: value };
  const means = resampledMeans(groups, seed, resamples);
  const [low, high] = bcaEnds(means, value, acceleration(groups));
  return { ...base, low, high };
}

interface Groups {
  sums: Float64Array;
  sizes: Float64Array;
}

function groupSums(values: readonly number[], clusters?: readonly number[]): Groups {
  if (!clusters) return { sums: Float64Array.from(values), sizes: new Float64Array(values.length).fill(1) };
  if (clusters.length !== values.length)
    throw new RangeError(`${clusters.length} clusters for ${values.length} values`);
  const places = new Map<number, number>();
  for (const cluster of clusters) if (!places.has(cluster)) places.set(cluster, places.size);
  const groups = { sums: new Float64Array(places.size), sizes: new Float64Array(places.size) };
  for (const [i, cluster] of clusters.entries()) {
    const place = places.get(cluster)!;
    groups.sums[place]! += values[i]!;
    groups.sizes[place]! += 1;
  }
  return groups;
}

function mean({ sums, sizes }: Groups): number {
  let sum = 0;
  let size = 0;
  for (let i = 0; i < sums.length; i++) {
    sum += sums[i]!;
    size += sizes[i]!;
  }
  return size > 0 ? sum / size : Number.NaN;
}

/** Sorted. */
function resampledMeans({ sums, sizes }: Groups, seed: number, resamples: number): Float64Array {
  const count = sums.length;
  const means = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let sum = 0;
    let size = 0;
    for (let i = 0; i < count; i++) {
      const drawn = indexAt(seed, r * count + i, count);
      sum += sums[drawn]!;
      size += sizes[drawn]!;
    }
    means[r] = sum / size;
  }
  return means.sort();
}

/** From the jackknife: how the spread of the mean changes with its value. */
function acceleration({ sums, sizes }: Groups): number {
  const count = sums.length;
  const all = { sum: sums.reduce((a, b) => a + b, 0), size: sizes.reduce((a, b) => a + b, 0) };
  const without = Float64Array.from(sums, (sum, i) => (all.sum - sum) / (all.size - sizes[i]!));
  const centre = without.reduce((a, b) => a + b, 0) / count;
  let squares = 0;
  let cubes = 0;
  for (const left of without) {
    squares += (centre - left) ** 2;
    cubes += (centre - left) ** 3;
  }
  return squares > 0 ? cubes / (6 * squares ** 1.5) : 0;
}

function bcaEnds(sorted: Float64Array, value: number, a: number): [number, number] {
  const count = sorted.length;
  if (sorted[0] === sorted[count - 1]) return [sorted[0]!, sorted[0]!];
  let below = 0;
  let equal = 0;
  for (const one of sorted) {
    if (one < value) below += 1;
    else if (one === value) equal += 1;
  }
  // Ties count half, and the share stays off 0 and 1, where the correction has no value.
  const share = Math.min(Math.max((below + equal / 2) / count, 1 / count), 1 - 1 / count);
  const z0 = normalQuantile(share);
  const end = (tail: number): number => {
    const z = z0 + normalQuantile(tail);
    return quantile(sorted, normalCdf(z0 + z / (1 - a * z)));
  };
  return [end((1 - level) / 2), end((1 + level) / 2)];
}

/** Linear between neighbours, as numpy's default. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = Math.min(Math.max(share, 0), 1) * (sorted.length - 1);
  const left = Math.floor(at);
  const [a, b] = [sorted[left]!, sorted[Math.min(left + 1, sorted.length - 1)]!];
  return a + (b - a) * (at - left);
}

/** Standard normal distribution function: a series near the middle, a continued fraction in the tails. */
export function normalCdf(z: number): number {
  const x = Math.abs(z);
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  let tail: number;
  if (x > 38) tail = 0;
  else if (x < 3) {
    let term = x;
    let sum = x;
    for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum) && k < 200; k++) {
      term *= (x * x) / (2 * k + 1);
      sum += term;
    }
    tail = 0.5 - density * sum;
  } else {
    let fraction = x;
    for (let k = 100; k > 0; k--) fraction = x + k / fraction;
    tail = density / fraction;
  }
  return z > 0 ? 1 - tail : tail;
}

/** Inverse of `normalCdf`: bisection down to the last digits; called a handful of times an estimate. */
export function normalQuantile(share: number): number {
  let [low, high] = [-40, 40];
  while (high - low > 1e-13 * Math.max(1, Math.abs(low))) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (normalCdf(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Difference of two paired shares (tuned against base on the same items) with its 95 % interval: Wald's with one flip
 * of each kind added (Bonett and Price 2012). A bootstrap would claim certainty where no item flipped.
 */
export function pairedShareDrop(lost: number, gained: number, items: number): Interval & { method: string } {
  const [p, q] = [(lost + 1) / (items + 2), (gained + 1) / (items + 2)];
  const halfWidth = normalQuantile((1 + level) / 2) * Math.sqrt((p + q - (p - q) ** 2) / (items + 2));
  const value = (lost - gained) / items;
  const [low, high] = [Math.max(-1, p - q - halfWidth), Math.min(1, p - q + halfWidth)];
  return { value, low, high, method: 'paired shares, adjusted Wald (Bonett-Price), 95 %' };
}

export interface Judgement {
  verdict: Verdict;
  /** With `cannot tell`: how many items it would take, as far as can be told. */
  itemsNeeded?: number;
}

/** Is the loss within the budget? Only where the whole interval lies on one side of it. */
export function verdictFor(estimate: Interval & { items: number }, budget: number): Judgement {
  const { value, low, high, items } = estimate;
  if (![value, low, high].every(Number.isFinite)) return { verdict: 'cannot tell' };
  if (items >= fewestItems) {
    if (low > budget) return { verdict: 'forgot' };
    if (high <= budget) return { verdict: 'kept' };
  }
  return { verdict: 'cannot tell', ...itemsFor(estimate, budget) };
}

/** The half-width shrinks with the square root of the items. */
function itemsFor({ value, low, high, items }: Interval & { items: number }, budget: number): { itemsNeeded?: number } {
  const gap = Math.abs(value - budget);
  const halfWidth = (high - low) / 2;
  const needed = Math.max(fewestItems, items + 1, Math.ceil(items * (halfWidth / gap) ** 2));
  if (items < fewestItems && halfWidth <= gap) return { itemsNeeded: fewestItems };
  return gap > 0 && needed <= 1e9 ? { itemsNeeded: needed } : {};
}

const severity: Record<Verdict, number> = { kept: 0, 'cannot tell': 1, forgot: 2 };

/** A run's verdict is that of its worst set; null when no set has one. */
export function worstVerdict(verdicts: readonly (Verdict | null | undefined)[]): Verdict | null {
  let worst: Verdict | null = null;
  for (const verdict of verdicts)
    if (verdict && (worst === null || severity[verdict] > severity[worst])) worst = verdict;
  return worst;
}

/** A budget that the set can tell from noise: twice the half-width, in two digits, rounded up. */
export function suggestBudget({ low, high }: Interval): number {
  const twice = high - low;
  if (!(twice > 0) || !Number.isFinite(twice)) return 0;
  const unit = 10 ** (Math.floor(Math.log10(twice)) - 1);
  return Number((Math.ceil(twice / unit - 1e-9) * unit).toPrecision(2));
}
