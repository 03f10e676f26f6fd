/** The run panel: one run, live or past. Holds the parts together; each part draws its own share of the run. */
import './run.css';
import type { PageState, RunView, ToPage } from '../../src/protocol/panel.ts';
import { Channel } from '../shared/channel.ts';
import { h } from '../shared/dom.ts';
import { LaneGroup } from '../shared/laneGroup.ts';
import { isDetail, lanesOfRun } from '../shared/laneModel.ts';
import { Announcer, messageBox, startPage } from '../shared/page.ts';
import { runExtras } from '../shared/runExtras.ts';
import { t } from '../shared/strings.ts';
import { busy, button, checkbox } from '../shared/ui.ts';
import { isLive } from '../shared/words.ts';
import { ancestryNote } from './ancestry.ts';
import { runDetails } from './details.ts';
import { runHeader } from './header.ts';
import { verdictCard } from './verdict.ts';

const main = startPage(t('Run'));
const channel = new Channel('run', receive);
const announcer = new Announcer();
let run: RunView | null = null;
let page: RunPage | null = null;

main.append(busy(t('Loading the run…')));
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
  if (state.page !== 'run') return;
  if (state.run) channel.remember({ runs: [state.run.id] });
  if (!state.run) {
    page?.lanes.destroy();
    page = null;
    main.replaceChildren(noRun());
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

interface RunPage {
  elements: HTMLElement[];
  lanes: LaneGroup;
  update(run: RunView): void;
}

function makePage(): RunPage {
  const header = runHeader(channel);
  const verdict = verdictCard();
  const details = runDetails(channel);
  const lanes = new LaneGroup(channel, { layout: 'stack', compact: false, legend: true });
  let all = channel.view.allSeries === true;
  const every = checkbox(t('All series'), all, wanted => {
    all = wanted;
    channel.keepView({ allSeries: wanted });
    if (run) draw(run);
  });
  lanes.toolbar.insertBefore(every.element, lanes.toolbar.querySelector('vscode-button'));
  const draw = (next: RunView) => {
    const catalogue = next.catalogue.filter(entry => all || !isDetail(entry));
    every.element.hidden = !next.catalogue.some(isDetail);
    lanes.update(lanesOfRun({ ...next, catalogue }), runExtras(next));
  };
  const waiting = h('p', { class: 'empty lanes-waiting' });
  const ancestry = ancestryNote(channel);
  const charts = h(
    'section',
    { class: 'charts', 'aria-label': t('Charts') },
    lanes.toolbar,
    ancestry.element,
    lanes.element,
    waiting,
  );
  return {
    elements: [header.element, h('div', { class: 'content' }, verdict.element, charts, details.element)],
    lanes,
    update(next) {
      header.update(next);
      verdict.update(next);
      details.update(next);
      ancestry.update(next);
      draw(next);
      const empty = next.catalogue.length === 0;
      charts.classList.toggle('is-empty', empty);
      waiting.hidden = !empty;
      waiting.textContent = empty ? waitingText(next) : '';
    },
  };
}

function waitingText(next: RunView): string {
  if (next.status === 'queued') return t('Queued: it starts when the run before it has ended.');
  if (isLive(next.status)) return t('Lines appear here with the first step.');
  return t('This run ended before its first step.');
}

function noRun(): HTMLElement {
  return h(
    'div',
    { class: 'welcome' },
    h('h1', {}, t('No run to show')),
    h('p', {}, t('This run is not there any more. A deleted run can be restored until the trash is emptied.')),
    button(t('Restore Run'), () => channel.command('restore'), 'primary'),
  );
}
