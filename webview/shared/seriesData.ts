/**
 * One series as a page holds it: buckets of the host, then the points that came since, in ascending steps. Chart and
 * table draw from here, so they cannot differ. Pure.
 */
import type { Points, SeriesBuckets } from '../../src/domain/metricSeries.ts';

type Value = number | null;

export class SeriesData {
  steps: number[] = [];
  min: Value[] = [];
  max: Value[] = [];
  last: Value[] = [];
  /** What intervals cover; `null` where there are none. */
  low: Value[] = [];
  high: Value[] = [];
  /** How many entries came as points since the last buckets. */
  appended = 0;
  #smoothed: Value[] = [];
  #state = { sum: 0, weight: 0 };
  #window = 0;

  get length(): number {
    return this.steps.length;
  }

  replace(buckets: SeriesBuckets): void {
    this.steps = [...buckets.steps];
    this.min = [...buckets.min];
    this.max = [...buckets.max];
    this.last = [...buckets.last];
    this.low = buckets.steps.map((_, i) => buckets.low?.[i] ?? null);
    this.high = buckets.steps.map((_, i) => buckets.high?.[i] ?? null);
    this.appended = 0;
    this.#forgetSmoothing();
  }

  /** Points at or before the newest step are already part of a bucket. */
  append(points: Points): void {
    for (let i = 0; i < points.steps.length; i++) {
      const step = points.steps[i]!;
      const newest = this.steps.at(-1);
      if (newest !== undefined && step <= newest) continue;
      const value = points.values[i] ?? null;
      this.steps.push(step);
      this.min.push(value);
      this.max.push(value);
      this.last.push(value);
      this.low.push(points.low?.[i] ?? null);
      this.high.push(points.high?.[i] ?? null);
      this.appended += 1;
    }
  }

  /** The newest entry at or before `step`, −1 when there is none. */
  indexAt(step: number): number {
    let low = 0;
    let high = this.steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.steps[middle]! <= step) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  valueAt(step: number): Value {
    const index = this.indexAt(step);
    return index < 0 ? null : this.last[index]!;
  }

  /**
   * Lowest and highest value between two steps and at the neighbours that lines come from and go to, by both ends of
   * the buckets and of intervals; null when nothing finite lies there.
   */
  extent(from: number, to: number, above = Number.NEGATIVE_INFINITY): [number, number] | null {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    const end = Math.min(this.steps.length, this.indexAt(to) + 2);
    const start = Math.max(0, this.indexAt(from));
    for (const values of [this.min, this.max, this.low, this.high]) {
      for (let i = start; i < end; i++) {
        const value = values[i];
        if (value === null || value === undefined || value <= above) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (low > high) low = high;
    return Number.isFinite(low) ? [low, high] : null;
  }

  /**
   * Exponential mean over `window` steps, weighted by the steps each entry stands for, without a start-up bias. Grows
   * with the series: an append costs only the new entries.
   */
  smoothed(window: number): Value[] {
    if (window !== this.#window) this.#forgetSmoothing();
    this.#window = window;
    const state = this.#state;
    for (let i = this.#smoothed.length; i < this.steps.length; i++) {
      const passed = i === 0 ? 1 : this.steps[i]! - this.steps[i - 1]!;
      const keep = Math.exp(-passed / window);
      const value = this.last[i]!;
      if (value !== null) {
        state.sum = keep * state.sum + (1 - keep) * value;
        state.weight = keep * state.weight + (1 - keep);
      }
      this.#smoothed.push(value === null ? null : state.sum / state.weight);
    }
    return this.#smoothed;
  }

  #forgetSmoothing(): void {
    this.#smoothed = [];
    this.#state = { sum: 0, weight: 0 };
  }
}
