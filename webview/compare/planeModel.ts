/** Where things lie in the plane of learning against forgetting. Pure. */
export interface Box {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface Axis {
  low: number;
  high: number;
  ticks: number[];
}

type Point = { value: number; low: number; high: number };

/** An axis that holds all values with their intervals and room around. Zero is `include`d where it means something. */
export function axisOf(points: Point[], include: number[], ticksFor: (low: number, high: number) => number[]): Axis {
  const values = [...points.flatMap(point => [point.low, point.high]), ...include];
  const low = Math.min(...values);
  const high = Math.max(...values);
  const pad = (high - low || 1) * 0.08;
  const axis = { low: low === 0 ? -pad / 2 : low - pad, high: high + pad };
  return { ...axis, ticks: ticksFor(axis.low, axis.high) };
}

export const toX = (box: Box, axis: Axis, value: number) =>
  box.left + ((value - axis.low) / (axis.high - axis.low)) * (box.width - box.left - box.right);

export const toY = (box: Box, axis: Axis, value: number) =>
  box.height - box.bottom - ((value - axis.low) / (axis.high - axis.low)) * (box.height - box.top - box.bottom);

/** Moves labels apart so that none covers another; keeps their order from top to bottom. */
export function spread(places: number[], gap: number, low: number, high: number): number[] {
  const order = places.map((_, index) => index).sort((a, b) => places[a]! - places[b]!);
  const moved = [...places];
  let least = low;
  for (const index of order) {
    moved[index] = Math.max(moved[index]!, least);
    least = moved[index]! + gap;
  }
  let most = high;
  for (const index of order.toReversed()) {
    moved[index] = Math.min(moved[index]!, most);
    most = moved[index]! - gap;
  }
  return moved;
}

/** A label that does not fit is cut in its middle: its end is what tells it from others. */
export function shortened(label: string, fits: (text: string) => boolean): string {
  if (fits(label)) return label;
  for (let kept = label.length - 1; kept > 1; kept--) {
    const text = `${label.slice(0, Math.floor(kept / 2)).trimEnd()}…${label.slice(-Math.ceil(kept / 2))}`;
    if (fits(text)) return text;
  }
  return '…';
}
