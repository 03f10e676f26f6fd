/** The run panel: one run, live or past. Holds the parts together; each part draws its own share of the run. */
import './run.css';
import type { RunView } from '../../src/protocol/panel.ts';
import type { Channel } from '../shared/channel.ts';
import { h } from '../shared/dom.ts';
import { LaneGroup } from '../shared/laneGroup.ts';
import { isDetail, lanesOfRun } from '../shared/laneModel.ts';
import { type RunParts, showOneRun } from '../shared/oneRun.ts';
import { runExtras } from '../shared/runExtras.ts';
import { t } from '../shared/strings.ts';
import { button, checkbox } from '../shared/ui.ts';
import { isLive } from '../shared/words.ts';
import { ancestryNote } from './ancestry.ts';
import { runDetails } from './details.ts';
import { runHeader } from './header.ts';
import { verdictCard } from './verdict.ts';

showOneRun({ page: 'run', title: t('Run'), loading: t('Loading the run…'), parts: runParts, none: noRun });

function runParts(channel: Channel, shown: () => RunView | null): RunParts {
  const header = runHeader(channel);
  const verdict = verdictCard();
  const details = runDetails(channel);
  const lanes = new LaneGroup(channel, { layout: 'stack', compact: false, legend: true });
  let all = channel.view.allSeries === true;
  const every = checkbox(t('All series'), all, wanted => {
    all = wanted;
    channel.keepView({ allSeries: wanted });
    const run = shown();
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

function noRun(channel: Channel): HTMLElement {
  return h(
    'div',
    { class: 'welcome' },
    h('h1', {}, t('No run to show')),
    h('p', {}, t('This run is not there any more. A deleted run can be restored until the trash is emptied.')),
    button(t('Restore Run'), () => channel.command('restore'), 'primary'),
  );
}
