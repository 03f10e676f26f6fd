/** The values of all runs at the cursor in one table; without a cursor, the newest. Always there, so nothing jumps. */
import { runLabels } from '../../src/domain/comparison.ts';
import type { RunView } from '../../src/protocol/panel.ts';
import { h, setText } from '../shared/dom.ts';
import { formatCount, formatNumber } from '../shared/format.ts';
import { type LaneSpec, seriesKey } from '../shared/laneModel.ts';
import { laneTitle } from '../shared/laneWords.ts';
import type { SeriesData } from '../shared/seriesData.ts';
import { t } from '../shared/strings.ts';
import { runLine } from './looks.ts';

export interface CursorTable {
  element: HTMLElement;
  show(runs: RunView[], specs: LaneSpec[]): void;
  update(step?: number | null): void;
}

export function cursorTable(data: (key: string) => SeriesData): CursorTable {
  const caption = h('caption');
  const table = h('table', { class: 'numbers-table' });
  const cells = new Map<string, HTMLElement>();
  let step: number | null = null;
  let shape = '';

  const fill = () => {
    setText(
      caption,
      step === null ? t('Newest values; point at a chart for others') : t('Values at step {0}', formatCount(step)),
    );
    for (const [key, cell] of cells) {
      const series = data(key);
      setText(cell, formatNumber(step === null ? series.last.at(-1) : series.valueAt(step)));
    }
  };
  return {
    element: h(
      'section',
      { class: 'scroll-x', 'aria-label': t('Values at the cursor'), role: 'region', tabindex: 0 },
      table,
    ),
    show(runs, specs) {
      const next = JSON.stringify([
        runs.map(run => [run.id, run.name, run.variant, run.colour]),
        specs.map(spec => spec.id),
      ]);
      if (next !== shape) {
        shape = next;
        cells.clear();
        table.replaceChildren(caption, ...rows(runs, specs, cells));
      }
      fill();
    },
    update(at = step) {
      step = at;
      fill();
    },
  };
}

function rows(runs: RunView[], specs: LaneSpec[], cells: Map<string, HTMLElement>): HTMLElement[] {
  const titles = specs.map(spec => h('th', { scope: 'col' }, laneTitle(spec)));
  const labels = runLabels(runs);
  const body = runs.map(run =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, h('span', { class: 'run-name' }, runLine(run), labels[run.id])),
      ...specs.map(spec => {
        const cell = h('td', {}, '–');
        cells.set(seriesKey(run.id, spec.id), cell);
        return cell;
      }),
    ),
  );
  return [h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, t('Run')), ...titles)), h('tbody', {}, ...body)];
}
