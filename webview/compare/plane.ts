/**
 * What each run learned against what it forgot: right is better, up is worse. Crosses are 95 % intervals, the dashed line
 * is the budget, and the thin line joins runs that no other run beats in both.
 */
import { runLabels } from '../../src/domain/comparison.ts';
import type { ComparisonView, RunView } from '../../src/protocol/panel.ts';
import type { Channel } from '../shared/channel.ts';
import { h, svg, whenChanged } from '../shared/dom.ts';
import { formatInterval, formatNumber, formatSigned } from '../shared/format.ts';
import { t } from '../shared/strings.ts';
import { linearTicks, tickLabels } from '../shared/ticks.ts';
import { checkbox, select } from '../shared/ui.ts';
import { paint, runShape } from './looks.ts';
import type { Section } from './numbersTable.ts';
import { type Axis, axisOf, type Box, shortened, spread, toX, toY } from './planeModel.ts';

type PlanePoint = ComparisonView['plane'][number];
interface Drawn extends PlanePoint {
  view: RunView;
  label: string;
}

/** Between the plane and the names beside it. */
const gap = 9;

/** Text keeps its size at every width, so the picture is made for the width it has. `names`: of the longest of them. */
function boxFor(width: number, names: number): Box {
  const whole = Math.min(900, Math.max(320, width));
  const right = Math.min(Math.max(118, Math.ceil(names) + gap), Math.floor(whole * 0.4));
  return { width: whole, height: Math.min(380, Math.max(240, whole / 2)), left: 60, right, top: 14, bottom: 44 };
}

let box = boxFor(760, 0);

/** Widths of names in the letters of the picture. */
function measure(figure: HTMLElement): (text: string) => number {
  const pen = document.createElement('canvas').getContext('2d')!;
  pen.font = `11px ${getComputedStyle(figure).fontFamily}`;
  return text => pen.measureText(text).width;
}

export function plane(channel: Channel): Section {
  const picker = h('span');
  const figure = h('div', { class: 'plane-figure' });
  let comparison: ComparisonView | null = null;
  let set = typeof channel.view.set === 'string' ? channel.view.set : '';
  let asTable = channel.view.planeTable === true;
  const table = checkbox(t('Show as table'), asTable, wanted => {
    asTable = wanted;
    channel.keepView({ planeTable: wanted });
    draw();
  });
  const element = h(
    'section',
    { class: 'plane', 'aria-label': t('Learning against forgetting') },
    h('div', { class: 'plane-head' }, h('h2', {}, t('Learning against forgetting')), picker, table.element),
    figure,
  );

  function draw(): void {
    if (!comparison) return;
    const labels = runLabels(comparison.runs);
    const points = comparison.plane.flatMap(point => {
      const view = comparison?.runs.find(run => run.id === point.run);
      return view && point.set === set ? [{ ...point, view, label: labels[view.id] ?? view.name }] : [];
    });
    const widthOf = measure(figure);
    box = boxFor(figure.clientWidth, Math.max(0, ...points.map(({ label }) => widthOf(label))));
    const fits = (text: string) => widthOf(text) <= box.right - gap;
    if (points.length === 0)
      figure.replaceChildren(h('p', { class: 'empty' }, t('Points appear when runs have been evaluated.')));
    else {
      // A set may be called like something every object has.
      const budget = Object.hasOwn(comparison.budgets, set) ? comparison.budgets[set] : undefined;
      figure.replaceChildren(asTable ? planeTable(points, set) : picture(points, set, budget, fits));
    }
  }

  const pick = whenChanged<string[]>(sets => {
    if (!sets.includes(set)) set = sets[0] ?? '';
    picker.replaceChildren(
      select(
        t('Probe set'),
        sets.map(value => ({ value, text: value })),
        set,
        value => {
          set = value;
          channel.keepView({ set });
          draw();
        },
      ),
    );
  });
  new ResizeObserver(() => figure.clientWidth !== box.width && requestAnimationFrame(draw)).observe(figure);
  const show = whenChanged<unknown>(draw);
  return {
    element,
    update(next) {
      comparison = next;
      pick([...new Set(next.plane.map(point => point.set))]);
      show([next.plane, next.budgets, next.runs.map(run => [run.name, run.variant, run.colour])]);
    },
  };
}

function picture(
  points: Drawn[],
  set: string,
  budget: ComparisonView['budgets'][string] | undefined,
  fits: (text: string) => boolean,
): Element {
  const ticks = (most: number) => (low: number, high: number) => linearTicks(low, high, most);
  const level = budget && budget.unit === points[0]!.unit ? budget.value : null;
  const x = axisOf(
    points.map(point => point.learning),
    [],
    ticks(8),
  );
  const y = axisOf(
    points.map(point => point.forgetting),
    level === null ? [0] : [0, level],
    ticks(6),
  );
  const summary = points.map(
    point => `${point.label} ${formatNumber(point.learning.value, 3)} / ${formatNumber(point.forgetting.value, 3)}`,
  );
  return svg(
    'svg',
    {
      width: box.width,
      height: box.height,
      viewBox: `0 0 ${box.width} ${box.height}`,
      role: 'img',
      'aria-label': t('Learning against forgetting of {0}: {1}', set, summary.join('; ')),
    },
    ...axes(x, y, set, { learning: learningUnit(points), forgetting: points[0]!.unit }),
    level !== null && budgetLine(y, level),
    front(points, x, y),
    ...points.map(point => cross(point, x, y)),
    ...labels(points, x, y, fits),
  );
}

function axes(x: Axis, y: Axis, set: string, units: { learning: string; forgetting: string }): SVGElement[] {
  const bottom = box.height - box.bottom;
  const right = box.width - box.right;
  const xLabels = tickLabels(x.ticks);
  const yLabels = tickLabels(y.ticks);
  return [
    ...x.ticks.flatMap((tick, index) => [
      svg('line', {
        class: tick === 0 ? 'zero' : 'grid',
        x1: toX(box, x, tick),
        x2: toX(box, x, tick),
        y1: box.top,
        y2: bottom,
      }),
      svg('text', { x: toX(box, x, tick), y: bottom + 15, 'text-anchor': 'middle' }, xLabels[index]!),
    ]),
    ...y.ticks.flatMap((tick, index) => [
      svg('line', {
        class: tick === 0 ? 'zero' : 'grid',
        x1: box.left,
        x2: right,
        y1: toY(box, y, tick),
        y2: toY(box, y, tick),
      }),
      svg('text', { x: box.left - 6, y: toY(box, y, tick) + 4, 'text-anchor': 'end' }, yLabels[index]!),
    ]),
    svg(
      'text',
      { class: 'axis-title', x: right, y: box.height - 8, 'text-anchor': 'end' },
      t('learning, {0} → better', units.learning),
    ),
    svg(
      'text',
      { class: 'axis-title', x: 0, y: 0, 'text-anchor': 'end', transform: `translate(12 ${box.top}) rotate(-90)` },
      t('forgetting of {0}, {1} → worse', set, units.forgetting),
    ),
  ];
}

function learningUnit(points: Drawn[]): string {
  const [first] = points.flatMap(({ view }) => Object.values(view.result?.learning ?? {}));
  return first?.unit ?? 'nats/token';
}

function budgetLine(y: Axis, value: number): SVGElement {
  const at = toY(box, y, value);
  return svg(
    'g',
    { class: 'budget' },
    svg('line', { x1: box.left, x2: box.width - box.right, y1: at, y2: at }),
    svg('text', { x: box.left + 6, y: at - 4 }, t('budget {0}', formatNumber(value))),
  );
}

function front(points: Drawn[], x: Axis, y: Axis): SVGElement {
  const places = points
    .filter(point => point.onFront)
    .sort((a, b) => a.learning.value - b.learning.value)
    .map(point => `${toX(box, x, point.learning.value)},${toY(box, y, point.forgetting.value)}`);
  return svg('polyline', { class: 'front', points: places.join(' ') });
}

function cross(point: Drawn, x: Axis, y: Axis): SVGElement {
  const { learning, forgetting, view } = point;
  const at = { x: toX(box, x, learning.value), y: toY(box, y, forgetting.value) };
  return paint(
    svg(
      'g',
      { class: 'cross' },
      svg('title', {}, sentence(point)),
      svg('line', { x1: toX(box, x, learning.low), x2: toX(box, x, learning.high), y1: at.y, y2: at.y }),
      svg('line', { x1: at.x, x2: at.x, y1: toY(box, y, forgetting.low), y2: toY(box, y, forgetting.high) }),
      svg('g', { transform: `translate(${at.x} ${at.y})` }, runShape(view)),
    ),
    view.colour,
  );
}

/** Names stand in a column at the right, each joined to its point, so that close points stay readable. */
function labels(points: Drawn[], x: Axis, y: Axis, fits: (text: string) => boolean): SVGElement[] {
  const places = spread(
    points.map(point => toY(box, y, point.forgetting.value)),
    15,
    box.top + 4,
    box.height - box.bottom,
  );
  const right = box.width - box.right;
  return points.map((point, index) => {
    const at = { x: toX(box, x, point.learning.value), y: toY(box, y, point.forgetting.value) };
    return paint(
      svg(
        'g',
        { class: 'plane-label' },
        svg('path', { d: `M${at.x + 7} ${at.y}L${right} ${places[index]}h6` }),
        svg('title', {}, point.label),
        svg('text', { x: right + gap, y: places[index]! + 4 }, shortened(point.label, fits)),
      ),
      point.view.colour,
    );
  });
}

function planeTable(points: Drawn[], set: string): HTMLElement {
  return h(
    'table',
    { class: 'numbers-table' },
    h('caption', {}, t('Learning against forgetting of {0}, {1}', set, points[0]!.unit)),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ...[t('Run'), t('Learning'), t('Forgetting'), t('Not beaten in both')].map(text =>
          h('th', { scope: 'col' }, text),
        ),
      ),
    ),
    h(
      'tbody',
      {},
      ...points.map(({ label, learning, forgetting, onFront }) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, label),
          h('td', {}, `${formatSigned(learning.value)} ${formatInterval(learning.low, learning.high)}`),
          h('td', {}, `${formatSigned(forgetting.value)} ${formatInterval(forgetting.low, forgetting.high)}`),
          h('td', {}, onFront ? t('yes') : t('no')),
        ),
      ),
    ),
  );
}

function sentence({ label, learning, forgetting, unit }: Drawn): string {
  return t(
    '{0}: learned {1} {2}, forgot {3} {4} {5}',
    label,
    formatNumber(learning.value, 3),
    formatInterval(learning.low, learning.high),
    formatNumber(forgetting.value, 3),
    formatInterval(forgetting.low, forgetting.high),
    unit,
  );
}
