/** Native tables: what assistive programs know best, and nothing a library here does better. */
import { h } from './dom.ts';

export function keyValueTable(caption: string, rows: Record<string, string>): HTMLElement {
  return h(
    'table',
    { class: 'key-value' },
    h('caption', {}, caption),
    h(
      'tbody',
      {},
      ...Object.entries(rows).map(([key, value]) => h('tr', {}, h('th', { scope: 'row' }, key), h('td', {}, value))),
    ),
  );
}
