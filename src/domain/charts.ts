/**
 * Pictures for a report, as self-contained SVG: the plane of learning against forgetting, and curves
 * over steps. Takes plain numbers; knows no run and no file.
 */
import { axes, colourOf, dashOf, document, type Frame, line, linearScale, marker, n, type Scale, text } from './svg.ts';
import { inEnglish, type Translate } from './words.ts';

interface Interval {
  value: number;
  low: number;
  high: number;
}

export interface PlaneChart {
  set: string;
  /** Of forgetting. */
  unit: string;
  /** `replayed`: this run also trained on text of the set's kind, so there it wins by construction. */
  points: { label: string; learning: Interval; forgetting: Interval; onFront: boolean; replayed?: boolean }[];
  budget?: number;
  translate?: Translate;
}

/** Right is better, up is worse: the lower right corner is where one wants to be. */
export function planeChart({ set, unit, points, budget, translate: t = inEnglish }: PlaneChart): string {
  const frame: Frame = { width: 720, height: 420, left: 64, right: 210, top: 44, bottom: 48 };
  const { width, height, left, right, top, bottom } = frame;
  const x = linearScale(
    points.flatMap(({ learning }) => [learning.low, learning.high]),
    [left, width - right],
  );
  const heights = points.flatMap(({ forgetting }) => [forgetting.low, forgetting.high]);
  const y = linearScale([...heights, 0, ...(budget === undefined ? [] : [budget])], [height - bottom, top]);
  const front = points.filter(({ onFront }) => onFront).sort((a, b) => a.learning.value - b.learning.value);
  const path = front.map(({ learning, forgetting }) => `${n(x(learning.value))},${n(y(forgetting.value))}`).join(' ');
  return document(frame, t('Learning against forgetting of {0}', set), [
    text(left, 24, t('Learning against forgetting: {0}', set), { kind: 'ink head' }),
    ...axes(frame, x, y, {
      x: t('learning: drop of the task loss, nats/token (right is better)'),
      y: t('forgetting, {0} (up is worse)', unit),
    }),
    ...budgetLine(frame, y, budget, t),
    front.length > 1 ? `<polyline points="${path}" fill="none" class="rule" stroke-dasharray="2 4"/>` : '',
    ...points.flatMap((point, i) => [
      ...cross(point, x, y, i),
      marker(i, x(point.learning.value), y(point.forgetting.value)),
    ]),
    ...legend(
      frame,
      points.map(({ label, onFront, replayed }) => {
        const named = replayed ? `${label} ®` : label;
        return onFront ? t('{0} (front)', named) : named;
      }),
      'marker',
      t,
    ),
    points.some(({ replayed }) => replayed)
      ? text(width - right + 16, height - 14, t('® also replayed there'), { kind: 'faint' })
      : '',
  ]);
}

function cross({ learning, forgetting }: PlaneChart['points'][number], x: Scale, y: Scale, look: number): string[] {
  const stroke = `stroke="${colourOf(look)}" stroke-width="1.5" stroke-opacity="0.7"`;
  return [
    line(x(learning.low), y(forgetting.value), x(learning.high), y(forgetting.value), stroke),
    line(x(learning.value), y(forgetting.low), x(learning.value), y(forgetting.high), stroke),
  ];
}

function budgetLine({ left, right, width }: Frame, y: Scale, budget: number | undefined, t: Translate): string[] {
  if (budget === undefined) return [];
  return [
    line(left, y(budget), width - right, y(budget), 'class="rule" stroke-width="1.5" stroke-dasharray="8 4"'),
    text(width - right - 4, y(budget) - 5, t('budget'), { kind: 'faint', anchor: 'end' }),
  ];
}

export interface Curve {
  label: string;
  steps: readonly number[];
  values: readonly (number | null)[];
  /** The interval's ends, one each value. */
  low?: readonly (number | null)[];
  high?: readonly (number | null)[];
}

export interface CurvesChart {
  title: string;
  /** Name of the vertical axis with its unit. */
  axis: string;
  curves: Curve[];
  budget?: number;
  translate?: Translate;
}

export function curvesChart({ title, axis, curves, budget, translate: t = inEnglish }: CurvesChart): string {
  const frame: Frame = { width: 720, height: 320, left: 64, right: 210, top: 44, bottom: 48 };
  const { width, height, left, right, top, bottom } = frame;
  const finite = curves
    .flatMap(({ values, low = [], high = [] }) => [...values, ...low, ...high])
    .filter(value => value !== null);
  const x = linearScale(
    curves.flatMap(({ steps }) => [steps[0] ?? 0, steps.at(-1) ?? 0]),
    [left, width - right],
  );
  const y = linearScale([...finite, ...(budget === undefined ? [] : [budget])], [height - bottom, top], 4);
  return document(frame, title, [
    text(left, 24, title, { kind: 'ink head' }),
    ...axes(frame, x, y, { x: t('step'), y: axis }),
    ...budgetLine(frame, y, budget, t),
    ...curves.map((curve, i) => band(curve, x, y, i)),
    ...curves.map((curve, i) => stroke(curve, x, y, i)),
    ...legend(
      frame,
      curves.map(({ label }) => label),
      'dash',
      t,
    ),
  ]);
}

function band({ steps, low, high }: Curve, x: Scale, y: Scale, look: number): string {
  if (!low || !high || steps.length < 2) return '';
  const along = (ends: readonly (number | null)[]) =>
    steps.flatMap((step, i) => (ends[i] == null ? [] : [`${n(x(step))},${n(y(ends[i]))}`]));
  const [there, back] = [along(high), along(low).reverse()];
  return `<polygon points="${[...there, ...back].join(' ')}" fill="${colourOf(look)}" fill-opacity="0.15"/>`;
}

function stroke(curve: Curve, x: Scale, y: Scale, look: number): string {
  const dash = dashOf(look) && ` stroke-dasharray="${dashOf(look)}"`;
  return `<path d="${pathOf(curve, x, y)}" fill="none" stroke="${colourOf(look)}" stroke-width="1.8"${dash}/>`;
}

/** A value that was not finite leaves a gap. */
function pathOf(
  { steps, values }: Pick<Curve, 'steps' | 'values'>,
  x: (step: number) => number,
  y: (value: number) => number,
): string {
  let path = '';
  let isDrawing = false;
  for (const [i, step] of steps.entries()) {
    const value = values[i] ?? null;
    if (value !== null) path += `${isDrawing ? 'L' : 'M'}${n(x(step))} ${n(y(value))}`;
    isDrawing = value !== null;
  }
  return path;
}

/** As many labels as there is room for; the others are counted. */
function legend(
  { width, height, right, top, bottom }: Frame,
  labels: string[],
  sign: 'marker' | 'dash',
  t: Translate,
): string[] {
  const left = width - right + 16;
  const rows = Math.floor((height - top - bottom) / 20);
  const shown = labels.length > rows ? labels.slice(0, rows - 1) : labels;
  const others = labels.length - shown.length;
  return [
    ...shown.flatMap((label, i) => {
      const y = top + 8 + i * 20;
      const dash = dashOf(i) && ` stroke-dasharray="${dashOf(i)}"`;
      const stroke = `stroke="${colourOf(i)}" stroke-width="2"${dash}`;
      return [
        sign === 'marker' ? marker(i, left + 6, y) : line(left, y, left + 18, y, stroke),
        text(left + 24, y + 4, label.length > 28 ? `${label.slice(0, 27)}…` : label),
      ];
    }),
    others > 0 ? text(left + 24, top + 12 + shown.length * 20, t('and {0} more', others), { kind: 'faint' }) : '',
  ];
}
