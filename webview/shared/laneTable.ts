/** The twin of a lane for people who read tables: the same data, a row for each step or stretch of steps. */
import { h } from './dom.ts';
import { formatInterval, formatNumber } from './format.ts';
import type { LaneSeries } from './laneModel.ts';
import type { SeriesData } from './seriesData.ts';
import { t } from './strings.ts';

export interface TableSource {
  data(key: string): SeriesData;
  range(): [number, number];
}

export interface LaneTable {
  element: HTMLElement;
  update(series: LaneSeries[], source: TableSource): void;
}

export interface Row {
  step: number;
  cells: string[];
}

/** The rows of the table, oldest first; a cell is empty where a series has nothing at that step. Pure. */
export function tableRows(series: { key: string }[], source: TableSource): Row[] {
  const [from, to] = source.range();
  const rows = new Map<number, string[]>();
  series.forEach(({ key }, column) => {
    const data = source.data(key);
    for (let i = Math.max(0, data.indexAt(from)); i < data.length && data.steps[i]! <= to; i++) {
      const step = data.steps[i]!;
      const cells = rows.get(step) ?? series.map(() => '');
      cells[column] = cellText(data, i);
      rows.set(step, cells);
    }
  });
  return [...rows].map(([step, cells]) => ({ step, cells })).sort((a, b) => a.step - b.step);
}

export function laneTable(title: string): LaneTable {
  const head = h('tr');
  const body = h('tbody');
  const caption = h('caption', { class: 'hidden-text' }, title);
  const element = h(
    'div',
    { class: 'table-twin', tabindex: 0, role: 'region', 'aria-label': t('{0} as a table', title) },
    h('table', {}, caption, h('thead', {}, head), body),
  );
  return {
    element,
    update(series, source) {
      head.replaceChildren(
        h('th', { scope: 'col' }, t('Step')),
        ...series.map(({ label, replayed }) =>
          h('th', { scope: 'col' }, replayed ? t('{0} (replayed)', label) : label),
        ),
      );
      const atEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - 4;
      body.replaceChildren(
        ...tableRows(series, source).map(row =>
          h('tr', {}, h('th', { scope: 'row' }, row.step), ...row.cells.map(cell => h('td', {}, cell))),
        ),
      );
      if (atEnd) element.scrollTop = element.scrollHeight;
    },
  };
}

function cellText(data: SeriesData, index: number): string {
  const value = data.last[index];
  if (value === null) return t('not finite');
  const text = formatNumber(value);
  const [min, max, low, high] = [data.min[index], data.max[index], data.low[index], data.high[index]];
  if (min !== max) return t('{0} ({1} to {2})', text, formatNumber(min), formatNumber(max));
  return low == null || high == null ? text : `${text} ${formatInterval(low, high)}`;
}
