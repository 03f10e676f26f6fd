/** The table of numbers: a run a row, sortable by every column; a checkbox takes a run out of the charts. */
import { runLabels } from '../../src/domain/comparison.ts';
import type { ComparisonView, RunView } from '../../src/protocol/panel.ts';
import type { SetResult } from '../../src/protocol/result.ts';
import type { Channel } from '../shared/channel.ts';
import { h, on, whenChanged } from '../shared/dom.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatInterval,
  formatNumber,
  formatPercent,
  formatSigned,
} from '../shared/format.ts';
import { t } from '../shared/strings.ts';
import { isLive, statusIcon, verdictBadge, verdictClass, verdictIcon, verdictWord } from '../shared/words.ts';
import { runLine } from './looks.ts';
import { type Key, type Order, sorted } from './sorting.ts';

interface Column {
  id: string;
  title: string;
  /** Below the title: a unit, or which way is good. */
  note?: string;
  key(run: RunView): Key;
  cell(run: RunView): (Node | string)[];
}

export interface Shown {
  isOff(run: string): boolean;
  toggle(run: string): void;
}

export interface Section {
  element: HTMLElement;
  update(comparison: ComparisonView): void;
}

export function numbersTable(channel: Channel, shown: Shown): Section {
  const table = h('table', { class: 'numbers-table runs' });
  const element = h('section', { class: 'scroll-x', 'aria-label': t('Numbers'), role: 'region', tabindex: 0 }, table);
  let order = (channel.view.order as Order | undefined) ?? { column: '', descending: false };
  let runs: RunView[] = [];

  const draw = () => {
    const columns = columnsOf(runs);
    const by = columns.find(column => column.id === order.column);
    const rows = by ? sorted(runs, run => by.key(run), order.descending) : runs;
    const focused = (document.activeElement as HTMLElement | null)?.dataset?.focus;
    table.replaceChildren(
      h('caption', {}, t('Results on all items, on the weights as saved. Intervals are 95 %.')),
      h('thead', {}, h('tr', {}, ...columns.map(column => heading(column, order, sortBy)))),
      h('tbody', {}, ...rows.map(run => row(run, columns, channel, shown, draw))),
    );
    if (focused) table.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  };
  const sortBy = (column: string) => {
    order = { column, descending: order.column === column ? !order.descending : false };
    channel.keepView({ order });
    draw();
  };
  const show = whenChanged<unknown>(draw);
  return {
    element,
    update(comparison) {
      runs = comparison.runs;
      show(
        runs.map(({ id, name, variant, status, statusText, colour, result }) => [
          id,
          name,
          variant,
          status,
          statusText,
          colour,
          result,
        ]),
      );
    },
  };
}

function heading(column: Column, order: Order, sortBy: (column: string) => void): HTMLElement {
  const active = order.column === column.id;
  const sign = active ? (order.descending ? '↓' : '↑') : '';
  const button = h(
    'button',
    { class: 'sort', type: 'button', 'data-focus': `sort-${column.id}` },
    column.title,
    h('span', { class: 'sort-sign', 'aria-hidden': 'true' }, sign),
  );
  on(button, 'click', () => sortBy(column.id));
  return h(
    'th',
    { scope: 'col', 'aria-sort': active ? (order.descending ? 'descending' : 'ascending') : undefined },
    button,
    column.note && h('div', { class: 'unit' }, column.note),
  );
}

function row(run: RunView, columns: Column[], channel: Channel, shown: Shown, redraw: () => void): HTMLElement {
  const [names, ...others] = columns;
  const label = String(names!.key(run));
  const visible = h('input', {
    type: 'checkbox',
    checked: !shown.isOff(run.id),
    'aria-label': t('Show {0} in the charts', label),
    'data-focus': `show-${run.id}`,
  });
  on(visible, 'change', () => {
    shown.toggle(run.id);
    redraw();
  });
  const open = h('button', { class: 'link', type: 'button', title: run.id, 'data-focus': `open-${run.id}` }, label);
  on(open, 'click', () => channel.command('openRun', { run: run.id }));
  return h(
    'tr',
    { class: shown.isOff(run.id) ? 'is-off' : undefined },
    h('th', { scope: 'row' }, h('span', { class: 'run-name' }, visible, runLine(run), open)),
    ...others.map(column => h('td', {}, ...column.cell(run))),
  );
}

function columnsOf(runs: RunView[]): Column[] {
  const learning = unite(runs.map(run => Object.keys(run.result?.learning ?? {})));
  const sets = unite(runs.map(run => Object.keys(run.result?.forgetting ?? {})));
  const labels = runLabels(runs);
  const number = (
    id: string,
    title: string,
    value: (run: RunView) => number | null | undefined,
    format: (value: number | null | undefined) => string,
  ): Column => ({ id, title, key: run => value(run) ?? null, cell: run => [format(value(run))] });
  return [
    { id: 'run', title: t('Run'), key: run => labels[run.id] ?? run.id, cell: () => [] },
    { id: 'verdict', title: t('Verdict'), key: run => verdictRank(run), cell: verdictCell },
    ...learning.map(set => learningColumn(set)),
    ...sets.map(set => forgettingColumn(set)),
    ...sets.flatMap(set => (runs.some(run => run.result?.forgetting[set]?.accuracy) ? [accuracyColumn(set)] : [])),
    number(
      'kl',
      t('KL, task'),
      run => numeric(run.result?.kl.train),
      value => formatNumber(value, 3),
    ),
    number(
      'share',
      t('Trained'),
      run => run.result?.trainedShare,
      value => formatPercent(value),
    ),
    number('steps', t('Steps'), run => run.result?.steps ?? run.step, formatCount),
    number('tokens', t('Tokens'), run => run.result?.tokens, formatCount),
    number('time', t('Time'), run => run.result?.seconds, formatDuration),
    number('memory', t('Memory'), run => run.result?.peakMemoryBytes, formatBytes),
  ];
}

function learningColumn(set: string): Column {
  return {
    id: `learning.${set}`,
    title: t('Learning: {0}', set),
    note: t('up = learned more'),
    key: run => run.result?.learning[set]?.value ?? null,
    cell: run => estimateCell(run.result?.learning[set]),
  };
}

function forgettingColumn(set: string): Column {
  return {
    id: `forgetting.${set}`,
    title: t('Forgetting: {0}', set),
    note: t('up = forgot more'),
    key: run => run.result?.forgetting[set]?.value ?? null,
    cell: run => {
      const score = run.result?.forgetting[set];
      return estimateCell(score, setMarks(score));
    },
  };
}

function accuracyColumn(set: string): Column {
  return {
    id: `accuracy.${set}`,
    title: t('Right answers: {0}', set),
    note: t('points lost'),
    key: run => run.result?.forgetting[set]?.accuracy?.drop ?? null,
    cell: run => {
      const accuracy = run.result?.forgetting[set]?.accuracy;
      return accuracy ? estimateCell({ value: accuracy.drop, low: accuracy.low, high: accuracy.high }) : ['–'];
    },
  };
}

function estimateCell(
  estimate: { value: number; low: number; high: number } | undefined,
  marks: Node[] = [],
): (Node | string)[] {
  if (!estimate) return ['–'];
  return [
    h('span', { class: 'estimate' }, formatSigned(estimate.value)),
    ...marks,
    h('span', { class: 'estimate-interval' }, formatInterval(estimate.low, estimate.high)),
  ];
}

/** The verdict of the set as a sign with a word for screen readers, and whether the set was replayed. */
function setMarks(score: SetResult | undefined): Node[] {
  const marks: Node[] = [];
  if (score?.verdict) {
    marks.push(
      h(
        'span',
        { class: `set-verdict verdict-${verdictClass(score.verdict)}`, title: verdictWord(score.verdict) },
        verdictIcon(score.verdict),
        h('span', { class: 'hidden-text' }, verdictWord(score.verdict)),
      ),
    );
  }
  if (score?.replayed) marks.push(h('span', { class: 'replayed' }, t('replayed')));
  return marks;
}

function verdictCell(run: RunView): (Node | string)[] {
  if (run.result && !isLive(run.status) && run.status !== 'failed') return [verdictBadge(run.result.verdict)];
  return [h('span', { class: 'verdict-badge' }, statusIcon(run.status), run.statusText)];
}

function verdictRank(run: RunView): number | null {
  const rank = ['kept', 'cannot tell', 'forgot'].indexOf(run.result?.verdict ?? '');
  return rank < 0 ? null : rank;
}

function numeric(value: number | string | null | undefined): number | null {
  return typeof value === 'number' ? value : null;
}

function unite(lists: string[][]): string[] {
  return [...new Set(lists.flat())];
}
