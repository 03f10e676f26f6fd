/** The names of a lane's lines with their values; a click on a name hides its line. */
import { h, on, setText, svg } from './dom.ts';
import { formatNumber } from './format.ts';
import type { LaneContext } from './lane.ts';
import type { LaneSeries, LaneSpec } from './laneModel.ts';
import { replayedHelp } from './laneWords.ts';
import { t } from './strings.ts';
import { look } from './theme.ts';

interface Item {
  series: LaneSeries;
  button: HTMLElement;
  swatch: SVGElement;
  value: HTMLElement;
}

export class LaneLegend {
  readonly element: HTMLElement;
  readonly #context: LaneContext;
  readonly #items: Item[];

  constructor(spec: LaneSpec, context: LaneContext) {
    this.#context = context;
    // The lane's title already names a line that is alone.
    const named = spec.series.filter(({ earlier }) => !earlier);
    this.#items = named.map(series => legendItem(series, named.length === 1));
    for (const { button, series } of this.#items) on(button, 'click', () => context.toggle(series.hiddenBy));
    this.element = h('div', { class: 'legend' }, ...this.#items.map(item => item.button));
  }

  showValues(step: number | null): void {
    for (const { series, value } of this.#items) {
      const data = this.#context.data(series.key);
      setText(value, data.length === 0 ? '–' : formatNumber(step === null ? data.last.at(-1) : data.valueAt(step)));
    }
  }

  showHidden(): void {
    for (const { series, button } of this.#items) {
      button.setAttribute('aria-pressed', String(!this.#context.isHidden(series)));
    }
  }

  showColours(): void {
    for (const { series, swatch } of this.#items) swatch.style.stroke = look(series.look).colour;
  }
}

function legendItem(series: LaneSeries, isAlone: boolean): Item {
  const style = look(series.look);
  const swatch = svg(
    'svg',
    { class: 'swatch', viewBox: '0 0 18 8', 'aria-hidden': 'true' },
    svg('line', { x1: 0, x2: 18, y1: 4, y2: 4, 'stroke-dasharray': style.dash.join(' ') || undefined }),
  );
  swatch.style.stroke = style.colour;
  const value = h('span', { class: 'value' }, '–');
  const button = h(
    'button',
    { class: 'legend-item', type: 'button', 'aria-pressed': 'true', title: t('Show or hide {0}', series.label) },
    swatch,
    h('span', { class: isAlone ? 'hidden-text' : 'name' }, series.label),
    series.replayed && h('span', { class: 'replayed-sign', title: replayedHelp() }, '↻'),
    series.replayed && h('span', { class: 'hidden-text' }, t('replayed')),
    value,
  );
  return { series, button, swatch, value };
}
