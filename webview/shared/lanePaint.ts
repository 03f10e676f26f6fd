/**
 * Draws what lies inside a lane's axes: bands, lines, budgets, marks. Knows pixels and steps, not where data comes from.
 * A bucket is drawn from its lowest to its highest value, so a picture of buckets equals a picture of all points.
 */
import type { RunView } from '../../src/protocol/panel.ts';
import type { SeriesData } from './seriesData.ts';
import type { Look, Theme } from './theme.ts';

export interface Frame {
  ctx: CanvasRenderingContext2D;
  /** Plot area in canvas pixels, and how many of them a CSS pixel takes. */
  left: number;
  top: number;
  width: number;
  height: number;
  ratio: number;
  /** Steps and drawn values (log10 with `log`) at the edges. */
  from: number;
  to: number;
  low: number;
  high: number;
  log: boolean;
  theme: Theme;
}

export type Mark = RunView['marks'][number];

export function paintLine(
  frame: Frame,
  data: SeriesData,
  look: Look,
  { quiet, earlier }: { quiet: boolean; earlier: boolean },
  window: number,
): void {
  const { ctx, ratio } = frame;
  const first = Math.max(0, data.indexAt(frame.from));
  const end = Math.min(data.length, data.indexAt(frame.to) + 2);
  if (first >= end) return;
  ctx.strokeStyle = look.colour;
  ctx.lineJoin = 'round';

  ctx.setLineDash(window > 0 ? [] : scaled(look.dash, ratio));
  const faint = frame.theme.highContrast ? 0.45 : 0.32;
  ctx.globalAlpha = window > 0 || earlier ? faint : 1;
  const crowded = end - first > frame.width / ratio / 2;
  ctx.lineWidth = ((window > 0 || quiet) && !crowded ? 1 : 1.6) * ratio;
  strokeBuckets(frame, data, first, end);
  ctx.globalAlpha = earlier ? faint : 1;
  if (window > 0) {
    ctx.setLineDash(scaled(look.dash, ratio));
    ctx.lineWidth = (quiet ? 1 : 1.75) * ratio;
    strokeValues(frame, data.steps, data.smoothed(window), first, end);
  }
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
  if (earlier) return;
  paintDots(frame, data, window > 0 ? data.smoothed(window) : data.last, look, first, end);
  paintNotFinite(frame, data, first, end);
}

/** The 95 % interval of each evaluation, as a band. */
export function paintIntervals(frame: Frame, data: SeriesData, look: Look): void {
  const seen = byColumn(frame, data);
  if (seen.length === 0) return;
  const { ctx, ratio } = frame;
  ctx.fillStyle = look.colour;
  ctx.strokeStyle = look.colour;
  ctx.globalAlpha = frame.theme.highContrast ? 0.25 : 0.12;
  ctx.beginPath();
  for (const { at, low } of seen) ctx.lineTo(at, y(frame, low));
  for (const { at, high } of seen.toReversed()) ctx.lineTo(at, y(frame, high));
  ctx.fill();
  const isDense = seen.length * leastGap * ratio > frame.width;
  if (!isDense) paintWhiskers(frame, seen);
  ctx.globalAlpha = 1;
}

interface ColumnInterval {
  /** Canvas pixels from the left. */
  at: number;
  low: number;
  high: number;
}

/** Closer together, lines through intervals would be a second band. In CSS pixels. */
const leastGap = 4;

/** Of thousands that fall into one column of pixels, what all of them cover. */
function byColumn(frame: Frame, data: SeriesData): ColumnInterval[] {
  const columns: ColumnInterval[] = [];
  for (let i = Math.max(0, data.indexAt(frame.from)); i < data.length && data.steps[i]! <= frame.to; i++) {
    const step = data.steps[i]!;
    const low = data.low[i] ?? null;
    const high = data.high[i] ?? null;
    if (low === null || high === null || step < frame.from) continue;
    const at = x(frame, step);
    const last = columns.at(-1);
    if (!last || at - last.at >= 1) {
      columns.push({ at, low, high });
      continue;
    }
    last.low = Math.min(last.low, low);
    last.high = Math.max(last.high, high);
  }
  return columns;
}

function paintWhiskers(frame: Frame, seen: readonly ColumnInterval[]): void {
  const { ctx, ratio } = frame;
  ctx.globalAlpha = frame.theme.highContrast ? 0.9 : 0.5;
  ctx.lineWidth = ratio;
  ctx.beginPath();
  for (const { at, low, high } of seen) {
    ctx.moveTo(at, y(frame, low));
    ctx.lineTo(at, y(frame, high));
  }
  ctx.stroke();
}

/** A horizontal line with a word at its right end. */
export function paintLevel(frame: Frame, value: number, label: string, colour: string, dash: number[]): void {
  const { ctx, ratio } = frame;
  const at = y(frame, value);
  if (at < frame.top - 1 || at > frame.top + frame.height + 1) return;
  ctx.strokeStyle = colour;
  ctx.lineWidth = ratio;
  ctx.setLineDash(scaled(dash, ratio));
  ctx.beginPath();
  ctx.moveTo(frame.left, at);
  ctx.lineTo(frame.left + frame.width, at);
  ctx.stroke();
  ctx.setLineDash([]);
  if (!label) return;
  ctx.font = scaledFont(frame);
  ctx.textAlign = 'left';
  const above = at - frame.top > 14 * ratio;
  ctx.textBaseline = above ? 'bottom' : 'top';
  const place = frame.left + 6 * ratio;
  const offset = (above ? -2 : 2) * ratio;
  ctx.lineWidth = 3 * ratio;
  ctx.strokeStyle = frame.theme.background;
  ctx.strokeText(label, place, at + offset);
  ctx.fillStyle = colour;
  ctx.fillText(label, place, at + offset);
}

/** Checkpoints are triangles on the bottom edge; stop rules and resumes are vertical lines. */
export function paintMarks(frame: Frame, marks: Mark[]): void {
  const { ctx, ratio, theme } = frame;
  const bottom = frame.top + frame.height;
  let lastCheckpoint = Number.NEGATIVE_INFINITY;
  for (const mark of marks) {
    if (mark.step < frame.from || mark.step > frame.to) continue;
    const at = x(frame, mark.step);
    if (mark.kind === 'checkpoint') {
      // One on top of the other is one.
      if (at - lastCheckpoint < ratio) continue;
      lastCheckpoint = at;
      ctx.fillStyle = theme.quiet;
      ctx.beginPath();
      ctx.moveTo(at - 3.5 * ratio, bottom);
      ctx.lineTo(at + 3.5 * ratio, bottom);
      ctx.lineTo(at, bottom - 6 * ratio);
      ctx.fill();
    } else {
      ctx.strokeStyle = mark.kind === 'stopRule' ? theme.error : theme.quiet;
      ctx.lineWidth = ratio;
      ctx.setLineDash(scaled(mark.kind === 'stopRule' ? [4, 2] : [1, 3], ratio));
      ctx.beginPath();
      ctx.moveTo(at, frame.top);
      ctx.lineTo(at, bottom);
      ctx.stroke();
      ctx.setLineDash([]);
    }
  }
}

function strokeBuckets(frame: Frame, data: SeriesData, first: number, end: number): void {
  const { ctx } = frame;
  const { steps, min, max, last } = data;
  const [scaleX, scaleY] = scales(frame);
  let pen = false;
  ctx.beginPath();
  for (let i = first; i < end; i++) {
    const value = drawn(frame, last[i]);
    if (value === null) {
      pen = false;
      continue;
    }
    const px = frame.left + (steps[i]! - frame.from) * scaleX;
    if (min[i] !== max[i]) {
      const lowest = frame.top + (frame.high - (drawn(frame, min[i]) ?? frame.low)) * scaleY;
      const highest = frame.top + (frame.high - (drawn(frame, max[i]) ?? value)) * scaleY;
      if (pen) ctx.lineTo(px, lowest);
      else ctx.moveTo(px, lowest);
      ctx.lineTo(px, highest);
      pen = true;
    }
    const py = frame.top + (frame.high - value) * scaleY;
    if (pen) ctx.lineTo(px, py);
    else ctx.moveTo(px, py);
    pen = true;
  }
  ctx.stroke();
}

function strokeValues(frame: Frame, steps: number[], values: (number | null)[], first: number, end: number): void {
  const { ctx } = frame;
  const [scaleX, scaleY] = scales(frame);
  let pen = false;
  ctx.beginPath();
  for (let i = first; i < end; i++) {
    const value = drawn(frame, values[i]);
    if (value === null) {
      pen = false;
      continue;
    }
    const px = frame.left + (steps[i]! - frame.from) * scaleX;
    const py = frame.top + (frame.high - value) * scaleY;
    if (pen) ctx.lineTo(px, py);
    else ctx.moveTo(px, py);
    pen = true;
  }
  ctx.stroke();
}

/** Few points are shown as points; of many, only the newest. */
function paintDots(
  frame: Frame,
  data: SeriesData,
  values: (number | null)[],
  look: Look,
  first: number,
  end: number,
): void {
  const { ctx, ratio } = frame;
  const sparse = end - first <= frame.width / ratio / 14;
  ctx.fillStyle = look.colour;
  ctx.beginPath();
  for (let i = sparse ? first : data.length - 1; i < end; i++) {
    const value = drawn(frame, values[i]);
    if (value === null || data.steps[i]! > frame.to || data.steps[i]! < frame.from) continue;
    const px = x(frame, data.steps[i]!);
    const py = frame.top + ((frame.high - value) * frame.height) / (frame.high - frame.low);
    ctx.moveTo(px + 2.5 * ratio, py);
    ctx.arc(px, py, 2.5 * ratio, 0, 2 * Math.PI);
  }
  ctx.fill();
}

/** A value that was not finite is a cross at the top, not a silent gap. */
function paintNotFinite(frame: Frame, data: SeriesData, first: number, end: number): void {
  const { ctx, ratio } = frame;
  ctx.strokeStyle = frame.theme.error;
  ctx.lineWidth = 1.5 * ratio;
  ctx.beginPath();
  for (let i = first; i < end; i++) {
    if (data.last[i] !== null || data.steps[i]! > frame.to) continue;
    const px = x(frame, data.steps[i]!);
    const py = frame.top + 5 * ratio;
    const arm = 3 * ratio;
    ctx.moveTo(px - arm, py - arm);
    ctx.lineTo(px + arm, py + arm);
    ctx.moveTo(px + arm, py - arm);
    ctx.lineTo(px - arm, py + arm);
  }
  ctx.stroke();
}

function scales(frame: Frame): [number, number] {
  return [frame.width / (frame.to - frame.from || 1), frame.height / (frame.high - frame.low || 1)];
}

function x(frame: Frame, step: number): number {
  return frame.left + (step - frame.from) * scales(frame)[0];
}

function y(frame: Frame, value: number): number {
  return frame.top + (frame.high - (drawn(frame, value) ?? frame.low)) * scales(frame)[1];
}

/** A logarithmic axis has no place for zero and below. */
function drawn(frame: Frame, value: number | null | undefined): number | null {
  if (value === null || value === undefined) return null;
  if (!frame.log) return value;
  return value > 0 ? Math.log10(value) : null;
}

function scaled(dash: number[], ratio: number): number[] {
  return ratio === 1 ? dash : dash.map(length => length * ratio);
}

function scaledFont(frame: Frame): string {
  return frame.theme.font.replace(/^[\d.]+px/, `${10 * frame.ratio}px`);
}
