/** Items whose answer flipped, by probe set: a mean can stand still while knowledge is swapped. */
import type { RunView } from '../../src/protocol/panel.ts';
import { h, whenChanged } from '../shared/dom.ts';
import { formatCount, formatNumber, formatPercent, formatSigned } from '../shared/format.ts';
import { t } from '../shared/strings.ts';
import type { Part } from './header.ts';

type Evaluation = NonNullable<RunView['evaluation']>;

export function flips(): Part {
  const element = h('div', { class: 'pane' });
  const show = whenChanged<Evaluation | null>(evaluation => element.replaceChildren(...content(evaluation)));
  return { element, update: run => show(run.evaluation) };
}

function content(evaluation: Evaluation | null): HTMLElement[] {
  const scored = Object.entries(evaluation?.forgetting ?? {}).filter(([, score]) => score.accuracy);
  if (!evaluation || scored.length === 0) {
    return [
      h('p', { class: 'empty' }, t('Only probe sets of choices or pairs have right and wrong answers to count.')),
    ];
  }
  const caption = evaluation.final
    ? t('Answers at the end, all items')
    : t('Answers at step {0}, on the items of the run', formatCount(evaluation.step));
  return [
    h(
      'table',
      { class: 'numbers-table' },
      h('caption', {}, caption),
      h('thead', {}, h('tr', {}, ...headings().map(text => h('th', { scope: 'col' }, text)))),
      h(
        'tbody',
        {},
        ...scored.map(([set, score]) => {
          const accuracy = score.accuracy!;
          return h(
            'tr',
            {},
            h('th', { scope: 'row' }, set, score.replayed && h('span', { class: 'replayed' }, t('replayed'))),
            h('td', {}, formatCount(score.items)),
            h('td', {}, formatPercent(accuracy.base, 1)),
            h('td', {}, formatPercent(accuracy.tuned, 1)),
            h(
              'td',
              {},
              `${formatSigned(accuracy.drop)} [${formatNumber(accuracy.low, 3)}, ${formatNumber(accuracy.high, 3)}]`,
            ),
            h('td', { class: accuracy.lost > 0 ? 'lost' : '' }, formatCount(accuracy.lost)),
            h('td', {}, formatCount(accuracy.gained)),
          );
        }),
      ),
    ),
    h('p', { class: 'note' }, t('Lost: right before, wrong now. Gained: wrong before, right now.')),
  ];
}

const headings = () => [
  t('Set'),
  t('Items'),
  t('Base right'),
  t('Tuned right'),
  t('Drop, points'),
  t('Lost'),
  t('Gained'),
];
