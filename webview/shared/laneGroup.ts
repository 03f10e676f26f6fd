/**
 * All lanes of a page: one step axis, one cursor, one toolbar. Subscribes to what it draws, keeps the view (zoom,
 * smoothing, hidden lines) over reloads, and redraws only lanes that got something new, once a frame.
 */
import type { Buckets, FromPage, NewPoints } from '../../src/protocol/panel.ts';
import type { Channel } from './channel.ts';
import { h } from './dom.ts';
import { formatCount } from './format.ts';
import { type Budget, Lane, type LaneContext } from './lane.ts';
import { axisEnd, isSparse, type LaneSeries, type LaneSpec, smoothingShares } from './laneModel.ts';
import type { Mark } from './lanePaint.ts';
import { type LaneToolbar, laneToolbar } from './laneToolbar.ts';
import { keepView, type LaneView, rememberedView } from './laneView.ts';
import { SeriesData } from './seriesData.ts';
import { t } from './strings.ts';
import { onThemeChange } from './theme.ts';

export interface LaneExtras {
  newest: number;
  planned: number | null;
  marks: Mark[];
  budgets(spec: LaneSpec): Budget[];
}

export interface LaneGroupOptions {
  /** `stack`: one below the other with the steps under the last. `grid`: side by side, each with its steps. */
  layout: 'stack' | 'grid';
  /** Small lanes for a docked view, with the least of a toolbar. */
  compact: boolean;
  /** Names and values of the lines in each lane's head. */
  legend: boolean;
  onCursor?(step: number | null): void;
}

type Subscribed = Extract<FromPage, { type: 'subscribe' }>['series'][number];

/** As in metrics.css. */
const compactWidth = 250;
const compactGap = 16;
/** Rows of a table twin: every step of a short run, and few enough to be read of a long one. */
const tableColumns = 256;

export class LaneGroup implements LaneContext {
  readonly element: HTMLElement;
  readonly toolbar: HTMLElement;
  readonly #toolbar: LaneToolbar;
  readonly #channel: Channel;
  readonly #options: LaneGroupOptions;
  readonly #series = new Map<string, SeriesData>();
  readonly #dirty = new Set<Lane>();
  #lanes: Lane[] = [];
  #laneCount = 0;
  #specs = '';
  #extras: LaneExtras = { newest: 0, planned: null, marks: [], budgets: () => [] };
  #view: LaneView;
  #cursor: number | null = null;
  #request = 0;
  #columns = 0;
  #scheduled = false;
  #asking = false;
  #subscribeTimer: ReturnType<typeof setTimeout> | undefined;
  #slowTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #gone = new AbortController();

  constructor(channel: Channel, options: LaneGroupOptions) {
    this.element = h('div', { class: `lanes lanes-${options.layout}` });
    this.#channel = channel;
    this.#options = options;
    this.#view = rememberedView(channel);
    this.#toolbar = laneToolbar(this.#view, options.compact, {
      change: changes => this.#change(changes),
      zoomOut: () => this.zoomOut(),
    });
    this.toolbar = this.#toolbar.element;
    const { signal } = this.#gone;
    addEventListener('scroll', () => this.#dirty.size > 0 && this.#drawSoon([]), { passive: true, signal });
    const resized = new ResizeObserver(() => requestAnimationFrame(() => this.#resized()));
    resized.observe(this.element);
    if (options.compact) addEventListener('resize', () => this.#resized(), { signal });
    const forgetTheme = onThemeChange(() => {
      for (const lane of this.#lanes) lane.refresh();
    });
    signal.addEventListener('abort', () => {
      resized.disconnect();
      forgetTheme();
    });
  }

  /** Another group takes its place: it asks the host for nothing more. */
  destroy(): void {
    this.#gone.abort();
    clearTimeout(this.#subscribeTimer);
    clearTimeout(this.#slowTimer);
    this.#dirty.clear();
    for (const lane of this.#lanes) lane.destroy();
    this.#lanes = [];
  }

  /** What to draw now. Lanes are made anew only when other series are there. */
  update(specs: LaneSpec[], extras: LaneExtras): void {
    // Points travel ahead of the rest of a run's state.
    this.#extras = { ...extras, newest: Math.max(extras.newest, this.#extras.newest) };
    this.#followNewest();
    const key = JSON.stringify(specs);
    if (key !== this.#specs) {
      this.#specs = key;
      this.#makeLanes(specs);
      this.#subscribe();
    }
    this.#drawSoon(this.#lanes);
  }

  /** After a whole new state the host knows of no subscription. */
  resubscribe(): void {
    this.#subscribe();
  }

  buckets(request: number, series: Buckets[]): void {
    if (request !== this.#request) return;
    for (const buckets of series) this.data(`${buckets.run}/${buckets.name}`).replace(buckets);
    this.#drawSoon(this.#lanes);
  }

  points(points: NewPoints[]): void {
    const touched = new Set<string>();
    let newest = this.#extras.newest;
    let crowded = false;
    for (const entry of points) {
      const key = `${entry.run}/${entry.name}`;
      const data = this.data(key);
      data.append(entry);
      touched.add(key);
      newest = Math.max(newest, data.steps.at(-1) ?? 0);
      crowded ||= data.appended > 2 * this.#columns;
    }
    const before = this.range()[1];
    this.#extras.newest = newest;
    this.#followNewest();
    const all = this.range()[1] !== before;
    this.#drawSoon(this.#lanes.filter(lane => all || lane.spec.series.some(series => touched.has(series.key))));
    if (crowded) this.#subscribeSoon();
  }

  // What lanes ask of their group.

  data(key: string): SeriesData {
    const data = this.#series.get(key) ?? new SeriesData();
    this.#series.set(key, data);
    return data;
  }

  range(): [number, number] {
    return this.#view.zoom ?? [0, axisEnd(this.#extras.newest, this.#extras.planned)];
  }

  isHidden(series: LaneSeries): boolean {
    return this.isOff(series.hiddenBy);
  }

  log(): boolean {
    return this.#view.log;
  }

  window(series: LaneSeries): number {
    const exact = series.name === 'learningRate' || isSparse(series);
    return exact ? 0 : this.#smoothingWindow();
  }

  marks(): Mark[] {
    return this.#extras.marks;
  }

  budgets(spec: LaneSpec): Budget[] {
    return this.#extras.budgets(spec);
  }

  moveCursor(step: number | null): void {
    const [from, to] = this.range();
    this.#cursor = step === null ? null : Math.round(Math.min(Math.max(step, from), to));
    for (const lane of this.#lanes) {
      lane.showCursor(this.#cursor);
      lane.showValues(this.#cursor);
    }
    this.element.classList.toggle('at-cursor', this.#cursor !== null);
    this.#showReadout();
    this.#options.onCursor?.(this.#cursor);
  }

  zoom(from: number, to: number): void {
    const low = Math.max(0, Math.floor(from));
    const high = Math.max(low + 2, Math.ceil(to));
    this.#keep({ zoom: [low, high], follow: high >= this.#extras.newest });
    this.#ranged();
  }

  zoomOut(): void {
    this.#keep({ zoom: null, follow: true });
    this.#ranged();
  }

  isOff(hiddenBy: string): boolean {
    return this.#view.hidden.includes(hiddenBy);
  }

  toggle(hiddenBy: string): void {
    const hidden = this.isOff(hiddenBy)
      ? this.#view.hidden.filter(other => other !== hiddenBy)
      : [...this.#view.hidden, hiddenBy];
    this.#keep({ hidden });
    for (const lane of this.#lanes) lane.showHidden();
    this.#subscribe();
    this.#drawSoon(this.#lanes);
  }

  // The rest is the group's own.

  #change(changes: Partial<LaneView>): void {
    // What does not follow stays where it is.
    this.#keep(changes.follow === false ? { ...changes, zoom: this.range() } : changes);
    if (changes.table !== undefined) this.#showTables();
    this.#followNewest();
    this.#ranged();
  }

  #makeLanes(specs: LaneSpec[]): void {
    for (const lane of this.#lanes) lane.destroy();
    const last = specs.length - 1;
    this.#laneCount = specs.length;
    this.#lanes = specs.map(
      (spec, index) =>
        new Lane(spec, this, {
          height: this.#height(spec, index === last),
          withSteps: this.#options.layout === 'grid' || index === last,
          legend: this.#options.legend,
        }),
    );
    this.element.replaceChildren(...this.#lanes.map(lane => lane.element));
    for (const lane of this.#lanes) lane.showHidden();
    this.#showTables();
  }

  #height(spec: LaneSpec, isLast: boolean): number {
    if (this.#options.compact) return compactHeight(this.element.clientWidth, this.#laneCount);
    if (this.#options.layout === 'grid') return 150;
    const tall = spec.lane === 'loss' || spec.lane === 'forgetting' || spec.lane === 'kl';
    return (tall ? 132 : 76) + (isLast ? 18 : 0);
  }

  #showTables(): void {
    for (const lane of this.#lanes) lane.showTable(this.#view.table);
    this.#drawSoon(this.#lanes);
  }

  /** Several reasons in one turn make one question. */
  #subscribe(): void {
    if (this.#asking) return;
    this.#asking = true;
    queueMicrotask(() => {
      this.#asking = false;
      this.#ask();
    });
  }

  #ask(): void {
    const width = this.#lanes[0]?.plotWidth ?? 0;
    if (this.#lanes.length === 0) return;
    this.#columns = this.#view.table ? tableColumns : Math.min(4096, Math.max(120, Math.round(width / 1.5)));
    this.#request += 1;
    const series = this.#lanes
      .flatMap(lane => lane.spec.series)
      .filter(entry => !this.isHidden(entry))
      .map(entry => this.#wanted(entry));
    this.#channel.send({ type: 'subscribe', request: this.#request, series: series.slice(0, 1024) });
  }

  /** What to ask of a series. Smoothing needs to know a little of what came before the left edge. */
  #wanted({ run, name }: LaneSeries): Subscribed {
    if (!this.#view.zoom || isSparse({ name })) return { run, name, columns: this.#columns };
    const [from, to] = this.range();
    const before = Math.min(from, Math.ceil(3 * this.#smoothingWindow()));
    const columns = Math.round(this.#columns * (1 + before / (to - from)));
    return { run, name, columns, from: from - before, ...(this.#view.follow ? {} : { to }) };
  }

  #smoothingWindow(): number {
    const [from, to] = this.range();
    return smoothingShares[this.#view.smoothing] * (to - from);
  }

  #subscribeSoon(): void {
    clearTimeout(this.#subscribeTimer);
    this.#subscribeTimer = setTimeout(() => this.#subscribe(), 120);
  }

  #ranged(): void {
    this.#showReadout();
    this.#subscribeSoon();
    this.#drawSoon(this.#lanes);
  }

  /** A zoomed view that follows slides along; its width is the user's. */
  #followNewest(): void {
    const { zoom, follow } = this.#view;
    if (!zoom || !follow || this.#extras.newest <= zoom[1]) return;
    const span = zoom[1] - zoom[0];
    this.#view.zoom = [this.#extras.newest - span, this.#extras.newest];
  }

  #resized(): void {
    const columns = Math.round((this.#lanes[0]?.plotWidth ?? 0) / 1.5);
    if (this.#options.compact) for (const lane of this.#lanes) lane.refresh(this.#height(lane.spec, false));
    this.#drawSoon(this.#lanes);
    if (!this.#view.table && Math.abs(columns - this.#columns) > this.#columns / 4) this.#subscribeSoon();
  }

  #drawSoon(lanes: Lane[]): void {
    for (const lane of lanes) this.#dirty.add(lane);
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#scheduled = false;
    if (this.#view.table && this.#slowTimer) return;
    const start = performance.now();
    for (const lane of this.#dirty) {
      lane.showValues(this.#cursor);
      if (!lane.asTable && !isOnScreen(lane.element)) continue;
      lane.draw();
      this.#dirty.delete(lane);
    }
    performance.measure('lanes', { start });
    // Whoever observes has heard of it; the page's own list would grow as long as it is open.
    performance.clearMeasures('lanes');
    this.element.dataset.newest = String(this.#extras.newest);
    this.#slowTimer ??= setTimeout(() => this.#drawSlowly(), 1000);
  }

  /** Words and tables: once a second is as fast as anyone reads. */
  #drawSlowly(): void {
    this.#slowTimer = undefined;
    for (const lane of this.#lanes) lane.describe();
    if (this.#view.table && this.#dirty.size > 0) this.#drawSoon([]);
  }

  #showReadout(): void {
    const step = this.#cursor;
    const marks = step === null ? [] : this.#extras.marks.filter(mark => mark.step === step).map(mark => mark.text);
    const text = step === null ? '' : [t('Step {0}', formatCount(step)), ...marks].join(' · ');
    this.#toolbar.show(this.#view, text);
  }

  #keep(changes: Partial<LaneView>): void {
    this.#view = { ...this.#view, ...changes };
    keepView(this.#channel, this.#view);
  }
}

/** Small lanes share the height that a docked view has, between legible and generous. */
function compactHeight(width: number, lanes: number): number {
  const columns = Math.max(1, Math.floor((width + compactGap) / (compactWidth + compactGap)));
  const room = (innerHeight - 44) / Math.ceil(lanes / columns);
  return Math.round(Math.min(180, Math.max(72, room - 46)));
}

function isOnScreen(element: HTMLElement): boolean {
  const box = element.getBoundingClientRect();
  return box.bottom > -200 && box.top < innerHeight + 200;
}
