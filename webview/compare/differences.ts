/** The settings in which the runs differ, and only those. */
import { runLabels } from '../../src/domain/comparison.ts';
import type { ComparisonView } from '../../src/protocol/panel.ts';
import { h, whenChanged } from '../shared/dom.ts';
import { t } from '../shared/strings.ts';
import { runLine } from './looks.ts';
import type { Section } from './numbersTable.ts';

export function differences(): Section {
  const body = h('div', { class: 'scroll-x', role: 'region', tabindex: 0, 'aria-label': t('Settings that differ') });
  const element = h('section', { class: 'differences' }, h('h2', {}, t('Settings that differ')), body);
  let comparison: ComparisonView;
  const show = whenChanged<unknown>(() => body.replaceChildren(content(comparison)));
  return {
    element,
    update(next) {
      comparison = next;
      show([next.differing, next.runs.map(run => [run.id, run.name, run.variant, run.colour])]);
    },
  };
}

function content({ differing, runs }: ComparisonView): HTMLElement {
  const keys = Object.keys(differing);
  const labels = runLabels(runs);
  if (keys.length === 0) return h('p', { class: 'empty' }, t('All settings are the same.'));
  return h(
    'table',
    { class: 'key-value' },
    h('caption', { class: 'hidden-text' }, t('Settings that differ')),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, t('Setting')),
        ...runs.map(run => h('th', { scope: 'col' }, h('span', { class: 'run-name' }, runLine(run), labels[run.id]))),
      ),
    ),
    h(
      'tbody',
      {},
      ...keys.map(key =>
        h('tr', {}, h('th', { scope: 'row' }, key), ...runs.map(run => h('td', {}, differing[key]?.[run.id] || '–'))),
      ),
    ),
  );
}
