/**
 * One lane: a title with the lines' names and values, and a plot on the step axis that all lanes share. uPlot gives
 * axes, cursor and dragging; lanePaint draws. A lane never moves its own view: it asks its group.
 */
import './language.ts';

import uPlot from 'uplot';
import { h, on } from './dom.ts';
import { formatNumber } from './format.ts';
import { LaneLegend } from './laneLegend.ts';
import { type LaneSeries, type LaneSpec, valueRange } from './laneModel.ts';
import { type Frame, type Mark, paintIntervals, paintLevel, paintLine, paintMarks } from './lanePaint.ts';
import { type LaneTable, laneTable } from './laneTable.ts';
import { laneNote, laneTitle } from './laneWords.ts';
import type { SeriesData } from './seriesData.ts';
import { t } from './strings.ts';
import { currentTheme, look } from './theme.ts';
import { linearTicks, logTicks, stepLabels, tickLabels } from './ticks.ts';

export interface Budget {
  value: number;
  label: string;
  look: number;
}

/** What the group knows and every lane needs. */
export interface LaneContext {
  data(key: string): SeriesData;
  range(): [number, number];
  isHidden(series: LaneSeries): boolean;
  log(): boolean;
  /** Smoothing in steps; 0 for series whose points are few or exact. */
  window(series: LaneSeries): number;
  marks(): Mark[];
  budgets(spec: LaneSpec): Budget[];
  moveCursor(step: number | null): void;
  zoom(from: number, to: number): void;
  zoomOut(): void;
  toggle(hiddenBy: string): void;
}

const axisWidth = 56;
const axisHeight = 22;

export class Lane {
  readonly element: HTMLElement;
  readonly spec: LaneSpec;
  readonly #context: LaneContext;
  readonly #plotBox = h('div', { class: 'plot', tabindex: 0, role: 'img' });
  readonly #legend: LaneLegend | null;
  readonly #withSteps: boolean;
  #plot: uPlot | null = null;
  #table: LaneTable | null = null;
  #shown = '';
  #height: number;

  constructor(spec: LaneSpec, context: LaneContext, options: { height: number; withSteps: boolean; legend: boolean }) {
    this.spec = spec;
    this.#context = context;
    this.#withSteps = options.withSteps;
    this.#height = options.height;
    const title = laneTitle(spec);
    this.#legend = options.legend ? new LaneLegend(spec, context) : null;
    this.element = h(
      'section',
      { class: `lane lane-${spec.lane}`, 'aria-label': title },
      h(
        'header',
        { class: 'lane-head' },
        h('h3', {}, title),
        h('span', { class: 'unit' }, laneNote(spec)),
        this.#legend?.element,
      ),
      this.#plotBox,
    );
    this.#plotBox.setAttribute('aria-label', t('Chart of {0}', title));
    on(this.#plotBox, 'keydown', event => this.#key(event));
  }

  get plotWidth(): number {
    return Math.max(40, this.#plotBox.clientWidth - axisWidth - 14);
  }

  get asTable(): boolean {
    return this.#table !== null;
  }

  showTable(wanted: boolean): void {
    if (wanted === this.asTable) return;
    this.#table = wanted ? laneTable(laneTitle(this.spec)) : null;
    this.element.querySelector('.table-twin')?.remove();
    this.#plotBox.hidden = wanted;
    if (this.#table) this.element.append(this.#table.element);
  }

  /** Draws what the data are now. Axes are laid out anew only when a range has changed. */
  draw(): void {
    if (this.#table) {
      this.#table.update(this.#visible(), this.#context);
      return;
    }
    const width = this.#plotBox.clientWidth;
    if (width === 0) return;
    this.#plot ??= this.#makePlot(width);
    const plot = this.#plot;
    const [from, to] = this.#context.range();
    const [low, high] = this.#valueRange(from, to);
    const shown = `${from} ${to} ${low} ${high} ${this.#context.log()} ${width}`;
    if (shown === this.#shown) {
      plot.redraw(false, false);
      return;
    }
    this.#shown = shown;
    plot.batch(() => {
      if (plot.width !== width) plot.setSize({ width, height: this.#height });
      plot.setScale('x', { min: from, max: to });
      plot.setScale('y', { min: low, max: high });
    });
  }

  /** The words a screen reader gets in place of the picture. */
  describe(): void {
    const parts = this.#visible().map(series => {
      const data = this.#context.data(series.key);
      return data.length === 0
        ? t('{0}: no points yet', series.label)
        : t('{0}: {1} at step {2}', series.label, formatNumber(data.last.at(-1)), data.steps.at(-1)!);
    });
    this.#plotBox.setAttribute('aria-label', t('Chart of {0}. {1}', laneTitle(this.spec), parts.join('; ')));
  }

  /** The values at the cursor, or the newest. */
  showValues(step: number | null): void {
    this.#legend?.showValues(step);
  }

  showCursor(step: number | null): void {
    const plot = this.#plot;
    if (!plot) return;
    const [from, to] = this.#context.range();
    const outside = step === null || step < from || step > to;
    plot.setCursor({ left: outside ? -10 : plot.valToPos(step, 'x'), top: outside ? -10 : 0 }, false);
  }

  showHidden(): void {
    this.#legend?.showHidden();
  }

  /** Colours of the theme or the height have changed. */
  refresh(height = this.#height): void {
    this.#height = height;
    this.#shown = '';
    this.#legend?.showColours();
    this.#plot?.setSize({ width: this.#plot.width, height });
    this.draw();
  }

  destroy(): void {
    this.#plot?.destroy();
    this.element.remove();
  }

  #visible(): LaneSeries[] {
    return this.spec.series.filter(series => !this.#context.isHidden(series));
  }

  #valueRange(from: number, to: number): [number, number] {
    const log = this.#context.log() && canBeLog(this.spec);
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    const include = (value: number) => {
      if (log && value <= 0) return;
      low = Math.min(low, value);
      high = Math.max(high, value);
    };
    for (const series of this.#visible()) {
      for (const value of this.#context.data(series.key).extent(from, to, log ? 0 : undefined) ?? []) include(value);
    }
    for (const budget of this.#context.budgets(this.spec)) include(budget.value);
    const zero = log || this.spec.lane === 'loss' ? [] : [0];
    return valueRange(low <= high ? [low, high] : null, log, zero);
  }

  #makePlot(width: number): uPlot {
    const grid = { stroke: () => currentTheme().grid, width: 1 };
    const axis = {
      stroke: () => currentTheme().quiet,
      font: currentTheme().font,
      grid,
      ticks: { show: false },
      gap: 4,
    };
    const plot = new uPlot(
      {
        width,
        height: this.#height,
        padding: [6, 14, this.#withSteps ? 0 : 4, 0],
        legend: { show: false },
        scales: { x: { time: false, auto: false }, y: { auto: false } },
        axes: [
          { ...axis, size: this.#withSteps ? axisHeight : 0, space: 64, values: (_, splits) => stepLabels(splits) },
          {
            ...axis,
            size: axisWidth,
            splits: (u, _, low, high) => this.#ticks(u, low, high),
            values: (_, splits) => this.#labels(splits),
          },
        ],
        series: [{}, { paths: () => null, points: { show: false } }],
        cursor: {
          y: false,
          points: { show: false },
          drag: { x: true, y: false, setScale: false },
          bind: {
            dblclick: () => () => {
              this.#context.zoomOut();
              return null;
            },
          },
        },
        hooks: {
          draw: [u => this.#paint(u)],
          setCursor: [u => this.#cursorMoved(u)],
          setSelect: [u => this.#selected(u)],
        },
      },
      [
        [0, 1],
        [null, null],
      ],
      this.#plotBox,
    );
    return plot;
  }

  #paint(plot: uPlot): void {
    const { ctx, bbox, scales } = plot;
    const frame: Frame = {
      ctx,
      ...bbox,
      ratio: uPlot.pxRatio,
      from: scales.x!.min ?? 0,
      to: scales.x!.max ?? 1,
      low: scales.y!.min ?? 0,
      high: scales.y!.max ?? 1,
      log: this.#context.log() && canBeLog(this.spec),
      theme: currentTheme(),
    };
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top - 3, bbox.width, bbox.height + 6);
    ctx.clip();
    this.#paintInside(frame);
    ctx.restore();
  }

  #paintInside(frame: Frame): void {
    if (!frame.log && frame.low <= 0 && frame.high >= 0) paintLevel(frame, 0, '', frame.theme.quiet, []);
    paintMarks(frame, this.#context.marks());
    for (const budget of this.#context.budgets(this.spec)) {
      const colour = budget.look < 0 ? frame.theme.foreground : look(budget.look).colour;
      paintLevel(frame, budget.value, budget.label, colour, [5, 4]);
    }
    for (const series of this.#visible()) {
      paintIntervals(frame, this.#context.data(series.key), look(series.look));
    }
    for (const series of this.#visible().toReversed()) {
      paintLine(frame, this.#context.data(series.key), look(series.look), series, this.#context.window(series));
    }
  }

  #ticks(plot: uPlot, low: number, high: number): number[] {
    const most = Math.max(2, Math.floor(plot.bbox.height / uPlot.pxRatio / (this.#height > 100 ? 24 : 17)));
    if (this.#context.log() && canBeLog(this.spec)) return logTicks(low, high, most);
    return linearTicks(low, high, most);
  }

  #labels(splits: number[]): string[] {
    const log = this.#context.log() && canBeLog(this.spec);
    return log ? splits.map(split => formatNumber(10 ** split, 2)) : tickLabels(splits);
  }

  #cursorMoved(plot: uPlot): void {
    const left = plot.cursor.left ?? -1;
    this.#context.moveCursor(left < 0 ? null : plot.posToVal(left, 'x'));
  }

  #selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const from = plot.posToVal(left, 'x');
    const to = plot.posToVal(left + width, 'x');
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#context.zoom(from, to);
  }

  #key(event: KeyboardEvent): void {
    const [from, to] = this.#context.range();
    const plot = this.#plot;
    if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const left = plot.cursor.left ?? -1;
    const at = left < 0 ? to : plot.posToVal(left, 'x');
    const span = to - from;
    const stride = Math.max(1, Math.round(span / 50));
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.#context.moveCursor(Math.max(from, at - stride)),
      ArrowRight: () => this.#context.moveCursor(Math.min(to, at + stride)),
      '+': () => this.#context.zoom(Math.max(from, at - span / 4), Math.min(to, at + span / 4)),
      '-': () => this.#context.zoomOut(),
      Escape: () => this.#context.moveCursor(null),
    };
    const move = moves[event.key === '=' ? '+' : event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }
}

/** Only loss has the range for it; forgetting goes through zero. */
function canBeLog(spec: LaneSpec): boolean {
  return spec.lane === 'loss';
}
