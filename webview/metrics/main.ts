/** The docked metrics view: the lanes of the active recipe's run in small, with its state and verdict above. */
import './metrics.css';
import type { RunView } from '../../src/protocol/panel.ts';
import type { Channel } from '../shared/channel.ts';
import { h, setText, whenChanged } from '../shared/dom.ts';
import { LaneGroup } from '../shared/laneGroup.ts';
import { isDetail, lanesOfRun } from '../shared/laneModel.ts';
import { type RunParts, showOneRun } from '../shared/oneRun.ts';
import { runExtras } from '../shared/runExtras.ts';
import { t } from '../shared/strings.ts';
import { badge, button } from '../shared/ui.ts';
import { statusIcon, variantWord, verdictBadge } from '../shared/words.ts';

showOneRun({ page: 'metrics', title: t('Metrics'), loading: t('Loading…'), parts: metrics, none: nothingYet });

function metrics(channel: Channel, shown: () => RunView | null): RunParts {
  const lanes = new LaneGroup(channel, { layout: 'grid', compact: true, legend: true });
  const title = h('h1');
  const variant = h('span');
  const status = h('span', { class: 'metrics-status' });
  const statusText = h('span', { class: 'numbers' });
  const verdict = h('span');
  const open = button(t('Open Run'), () => channel.command('openRun', { run: shown()?.id }));
  const showVariant = whenChanged<string>(name => variant.replaceChildren(badge(variantWord(name))));
  const showStatus = whenChanged<RunView['status']>(state => status.replaceChildren(statusIcon(state), statusText));
  const showVerdict = whenChanged<RunView['verdict']['overall']>(overall =>
    verdict.replaceChildren(...(overall ? [verdictBadge(overall)] : [])),
  );
  const head = h('header', { class: 'metrics-head' }, title, variant, status, verdict, lanes.toolbar, open);
  return {
    elements: [head, lanes.element],
    lanes,
    update(next) {
      setText(title, next.name);
      showVariant(next.variant);
      showStatus(next.status);
      setText(statusText, next.statusText);
      showVerdict(next.verdict.overall);
      lanes.update(lanesOfRun(withoutDetails(next)), runExtras(next));
    },
  };
}

/** What was minimised and the counters are for the run panel; here they would only crowd the rest. */
function withoutDetails(next: RunView): RunView {
  return { ...next, catalogue: next.catalogue.filter(entry => entry.name !== 'objective' && !isDetail(entry)) };
}

function nothingYet(channel: Channel): HTMLElement {
  return h(
    'div',
    { class: 'welcome' },
    h('h1', {}, t('No run of this recipe')),
    h('p', {}, t('Open a recipe and start a run: loss, KL and forgetting appear here while it trains.')),
    button(t('Start Fine-Tune'), () => channel.command('start'), 'primary'),
  );
}
