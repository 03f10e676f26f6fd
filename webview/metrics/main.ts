/** The docked metrics view: the lanes of the active recipe's run in small, with its state and verdict above. */
import './metrics.css';
import type { PageState, RunView, ToPage } from '../../src/protocol/panel.ts';
import { Channel } from '../shared/channel.ts';
import { h, setText, whenChanged } from '../shared/dom.ts';
import { LaneGroup } from '../shared/laneGroup.ts';
import { isDetail, lanesOfRun } from '../shared/laneModel.ts';
import { forgetZoom } from '../shared/laneView.ts';
import { Announcer, messageBox, startPage } from '../shared/page.ts';
import { runExtras } from '../shared/runExtras.ts';
import { t } from '../shared/strings.ts';
import { badge, busy, button } from '../shared/ui.ts';
import { statusIcon, variantWord, verdictBadge } from '../shared/words.ts';

const main = startPage(t('Metrics'));
const channel = new Channel('metrics', receive);
const announcer = new Announcer();
let run: RunView | null = null;
let page: MetricsPage | null = null;

main.append(busy(t('Loading…')));
channel.start();

function receive(message: ToPage) {
  switch (message.type) {
    case 'state':
      return show(message.state);
    case 'run':
      if (run?.id === message.id) update({ ...run, ...message.changes });
      return;
    case 'buckets':
      return page?.lanes.buckets(message.request, message.series);
    case 'points':
      return page?.lanes.points(message.points);
    case 'refused':
      return messageBox(main, message.message);
    default:
      message satisfies never;
  }
}

function show(state: PageState): void {
  if (state.page !== 'metrics') return;
  if (state.run && channel.runs.length > 0 && channel.runs[0] !== state.run.id) forgetZoom(channel);
  channel.remember({ runs: state.run ? [state.run.id] : [] });
  if (!state.run) {
    run = null;
    page?.lanes.destroy();
    page = null;
    main.replaceChildren(nothingYet());
    return;
  }
  if (!page || run?.id !== state.run.id) {
    page?.lanes.destroy();
    page = makePage();
    main.replaceChildren(...page.elements);
  }
  update(state.run);
  page.lanes.resubscribe();
}

function update(next: RunView): void {
  run = next;
  page?.update(next);
  announcer.follow(next);
}

interface MetricsPage {
  elements: HTMLElement[];
  lanes: LaneGroup;
  update(run: RunView): void;
}

function makePage(): MetricsPage {
  const lanes = new LaneGroup(channel, { layout: 'grid', compact: true, legend: true });
  const title = h('h1');
  const variant = h('span');
  const status = h('span', { class: 'metrics-status' });
  const statusText = h('span', { class: 'numbers' });
  const verdict = h('span');
  const open = button(t('Open Run'), () => channel.command('openRun', { run: run?.id }));
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

function nothingYet(): HTMLElement {
  return h(
    'div',
    { class: 'welcome' },
    h('h1', {}, t('No run of this recipe')),
    h('p', {}, t('Open a recipe and start a run: loss, KL and forgetting appear here while it trains.')),
    button(t('Start Fine-Tune'), () => channel.command('start'), 'primary'),
  );
}
