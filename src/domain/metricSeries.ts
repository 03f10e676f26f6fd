/**
 * One metric over steps: appended while a run lives, cut into buckets for a chart. Holds every point in typed arrays;
 * values that were not finite are gaps, and counted. Knows no run and no chart.
 */
import type { Buckets, NewPoints } from '../protocol/panel.ts';

export type SeriesBuckets = Omit<Buckets, 'run' | 'name'>;

export type Points = Omit<NewPoints, 'run' | 'name'>;

/** Every point, gaps as NaN. */
export interface SeriesSnapshot {
  total: number;
  nonFinite: number;
  steps: Float64Array<ArrayBuffer>;
  values: Float64Array<ArrayBuffer>;
}

export class MetricSeries {
  #steps = new Float64Array(64);
  #values = new Float64Array(64);
  #length = 0;
  #nonFinite = 0;
  #total = 0;
  #version = 0;
  /** Somebody else has the same steps: what is there must not be written over. */
  #isShared = false;

  /** Several series may be given the same `steps`. */
  static restore({ steps, values, total, nonFinite }: SeriesSnapshot): MetricSeries {
    const series = new MetricSeries();
    [series.#steps, series.#values, series.#length] = [alone(steps), alone(values), steps.length];
    [series.#total, series.#nonFinite, series.#isShared] = [total, nonFinite, true];
    return series;
  }

  /** `known`: steps of others; where they are the same, they are taken. */
  snapshot(known: readonly SeriesSnapshot['steps'][] = []): SeriesSnapshot {
    const steps = this.#steps.subarray(0, this.#length);
    return {
      steps: known.find(one => isSame(one, steps)) ?? steps.slice(),
      values: this.#values.slice(0, this.#length),
      total: this.#total,
      nonFinite: this.#nonFinite,
    };
  }

  get length(): number {
    return this.#length;
  }

  /** Points without a finite value. */
  get nonFinite(): number {
    return this.#nonFinite;
  }

  /** Sum of the finite values. */
  get total(): number {
    return this.#total;
  }

  /** Changes when points that were there before are no longer what they were: cursors of readers are void then. */
  get version(): number {
    return this.#version;
  }

  get lastStep(): number | null {
    return this.#length > 0 ? this.#steps[this.#length - 1]! : null;
  }

  /** The newest finite value. */
  get last(): number | null {
    for (let i = this.#length - 1; i >= 0; i--) if (Number.isFinite(this.#values[i])) return this.#values[i]!;
    return null;
  }

  get first(): number | null {
    for (let i = 0; i < this.#length; i++) if (Number.isFinite(this.#values[i])) return this.#values[i]!;
    return null;
  }

  /** A step that is there already gets the new value; one before it throws away what came after. */
  append(step: number, value: number | null): void {
    if (this.#length > 0 && step <= this.#steps[this.#length - 1]!) this.#cut(this.#indexOf(step));
    if (this.#isShared || this.#length === this.#steps.length) this.#grow();
    const kept = value ?? Number.NaN;
    this.#count(kept, 1);
    this.#steps[this.#length] = step;
    this.#values[this.#length] = Number.isFinite(kept) ? kept : Number.NaN;
    this.#length += 1;
  }

  /** Forgets every point after `step`, and gives them. */
  cutAfter(step: number): Points {
    const from = this.#indexOf(step, 'after');
    const tail = this.since(from);
    this.#cut(from);
    return tail;
  }

  upTo(step: number): Points {
    const { steps, values } = this.since(0);
    const end = this.#indexOf(step, 'after');
    return { steps: steps.slice(0, end), values: values.slice(0, end) };
  }

  addAll({ steps, values }: Points): void {
    for (const [i, step] of steps.entries()) this.append(step, values[i] ?? null);
  }

  /** `undefined` where there is no point, `null` where its value was not finite. */
  valueAt(step: number): number | null | undefined {
    const index = this.#indexOf(step);
    return index < this.#length && this.#steps[index] === step ? finiteOrNull(this.#values[index]!) : undefined;
  }

  /** Points from the `cursor`-th on. */
  since(cursor: number): Points {
    const from = Math.min(Math.max(cursor, 0), this.#length);
    return {
      steps: Array.from(this.#steps.subarray(from, this.#length)),
      values: Array.from(this.#values.subarray(from, this.#length), finiteOrNull),
    };
  }

  /**
   * Lowest, highest and last value of each of `columns` equal parts of [from, to]; parts without points are left out.
   * The point before and the one after are added, so that a line can enter and leave the picture.
   */
  buckets(from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, columns = 1000): SeriesBuckets {
    const buckets: SeriesBuckets = { steps: [], min: [], max: [], last: [] };
    const start = Math.max(0, this.#indexOf(from) - 1);
    const end = Math.min(this.#length, this.#indexOf(to, 'after') + 1);
    if (start >= end) return buckets;
    const [first, lastOne] = [Math.max(from, this.#steps[start]!), Math.min(to, this.#steps[end - 1]!)];
    const isSparse = end - start <= columns;
    const perStep = columns / Math.max(lastOne - first, 1e-9);
    let column = Number.NaN;
    for (let i = start; i < end; i++) {
      const step = this.#steps[i]!;
      const inside =
        step < first ? -1 : step > lastOne ? columns : Math.min(Math.floor((step - first) * perStep), columns - 1);
      const place = isSparse ? i : inside;
      if (place !== column) open(buckets, step);
      column = place;
      take(buckets, this.#values[i]!);
    }
    return buckets;
  }

  /** The first point at (or, with `after`, beyond) `step`. */
  #indexOf(step: number, side: 'at' | 'after' = 'at'): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const isBefore = side === 'at' ? this.#steps[middle]! < step : this.#steps[middle]! <= step;
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #cut(length: number): void {
    if (length >= this.#length) return;
    for (let i = length; i < this.#length; i++) this.#count(this.#values[i]!, -1);
    this.#length = length;
    this.#version += 1;
  }

  #count(value: number, times: 1 | -1): void {
    if (Number.isFinite(value)) this.#total += times * value;
    else this.#nonFinite += times;
  }

  #grow(): void {
    const [steps, values] = [this.#steps, this.#values];
    const room = Math.max(64, 2 * this.#length);
    this.#steps = new Float64Array(room);
    this.#values = new Float64Array(room);
    this.#steps.set(steps.subarray(0, this.#length));
    this.#values.set(values.subarray(0, this.#length));
    this.#isShared = false;
  }
}

/** A part of something larger would keep all of that in memory. */
const alone = (numbers: SeriesSnapshot['steps']): SeriesSnapshot['steps'] =>
  numbers.byteLength === numbers.buffer.byteLength ? numbers : numbers.slice();

function isSame(some: Float64Array, others: Float64Array): boolean {
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;
  return true;
}

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

function open(buckets: SeriesBuckets, step: number): void {
  buckets.steps.push(step);
  buckets.min.push(null);
  buckets.max.push(null);
  buckets.last.push(null);
}

function take({ min, max, last }: SeriesBuckets, value: number): void {
  if (!Number.isFinite(value)) return;
  const i = min.length - 1;
  if (min[i] === null || value < min[i]!) min[i] = value;
  if (max[i] === null || value > max[i]!) max[i] = value;
  last[i] = value;
}
