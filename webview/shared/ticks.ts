/** Where an axis has its ticks, and what they are called. Pure. */
import { formatNumber } from './format.ts';

export function linearTicks(low: number, high: number, most: number): number[] {
  const span = high - low;
  if (!(span > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(span / most));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(size => span / size <= most) ?? 10 * power;
  const ticks: number[] = [];
  // `|| 0` turns −0 into 0.
  for (let i = Math.ceil(low / step - 1e-9) || 0; i * step <= high + step * 1e-6; i++) ticks.push(i * step);
  return ticks;
}

/** Ticks of a logarithmic axis in log10 units: 1, 2, 5 of every decade, thinned to at most `most`. */
export function logTicks(low: number, high: number, most: number): number[] {
  for (const digits of [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const ticks: number[] = [];
    for (let decade = Math.floor(low); decade <= Math.ceil(high); decade++) {
      for (const digit of digits) {
        const tick = decade + Math.log10(digit);
        if (tick >= low - 1e-9 && tick <= high + 1e-9) ticks.push(tick);
      }
    }
    if (ticks.length <= most) return ticks;
  }
  const every = Math.ceil((high - low) / most);
  const ticks: number[] = [];
  for (let decade = Math.ceil(low); decade <= high; decade += every) ticks.push(decade);
  return ticks;
}

/** Labels for the ticks of one axis: as many digits as the distance between them needs. */
export function tickLabels(ticks: number[]): string[] {
  const sizes = ticks.map(Math.abs).filter(size => size > 0);
  const gap = ticks.length > 1 ? Math.abs(ticks[1]! - ticks[0]!) : 0;
  const digits = gap > 0 && sizes.length > 0 ? Math.ceil(Math.log10(Math.max(...sizes) / gap) - 1e-9) + 1 : 3;
  return ticks.map(tick => formatNumber(Math.abs(tick) < gap * 1e-6 ? 0 : tick, Math.min(Math.max(digits, 2), 6)));
}

/** Steps are whole; long ones are counted in thousands. */
export function stepLabels(ticks: number[]): string[] {
  return ticks.map(tick => {
    if (!Number.isInteger(tick)) return '';
    return tick >= 10_000 ? `${formatNumber(tick / 1000, 5)}k` : String(tick);
  });
}
