/** The compare panel: runs side by side. Numbers first, then the plane, the lanes laid over each other, and what differs. */
import { applyChanges } from '../../src/domain/runChanges.ts';
import './compare.css';
import type { ComparisonView, PageState, ToPage } from '../../src/protocol/panel.ts';
import { Channel } from '../shared/channel.ts';
import { h, whenChanged } from '../shared/dom.ts';
import { icon } from '../shared/icons.ts';
import { LaneGroup } from '../shared/laneGroup.ts';
import { type LaneSpec, lanesOfRuns } from '../shared/laneModel.ts';
import { messageBox, startPage } from '../shared/page.ts';
import { latestBudgets, sharedBudget } from '../shared/runExtras.ts';
import { t } from '../shared/strings.ts';
import { busy, button, checkbox } from '../shared/ui.ts';
import { cursorTable } from './cursorTable.ts';
import { differences } from './differences.ts';
import { numbersTable } from './numbersTable.ts';
import { plane } from './plane.ts';

const main = startPage(t('Compare'));
const channel = new Channel('compare', receive);
let comparison: ComparisonView | null = null;
let page: ComparePage | null = null;

main.append(busy(t('Loading the runs…')));
channel.start();

function receive(message: ToPage) {
  switch (message.type) {
    case 'state':
      return show(message.state);
    case 'run':
      return changeRun(message);
    case 'buckets':
      return page?.buckets(message);
    case 'points':
      return page?.points(message);
    case 'refused':
      return messageBox(main, message.message);
    default:
      message satisfies never;
  }
}

function show(state: PageState): void {
  if (state.page !== 'compare') return;
  comparison = state.comparison;
  channel.remember({ runs: comparison.runs.map(run => run.id) });
  if (comparison.runs.length === 0) {
    page = null;
    main.replaceChildren(nothing(comparison.refusals));
    return;
  }
  if (!page) {
    page = makePage();
    main.replaceChildren(...page.elements);
  }
  page.update(comparison);
  page.resubscribe();
}

function changeRun(message: Extract<ToPage, { type: 'run' }>): void {
  if (!comparison) return;
  const runs = comparison.runs.map(run => (run.id === message.id ? applyChanges(run, message) : run));
  comparison = { ...comparison, runs };
  page?.update(comparison);
}

interface ComparePage {
  elements: HTMLElement[];
  update(comparison: ComparisonView): void;
  resubscribe(): void;
  buckets(message: Extract<ToPage, { type: 'buckets' }>): void;
  points(message: Extract<ToPage, { type: 'points' }>): void;
}

function makePage(): ComparePage {
  const lanes = new LaneGroup(channel, {
    layout: 'grid',
    compact: false,
    legend: false,
    onCursor: step => values.update(step),
  });
  const values = cursorTable(key => lanes.data(key));
  const numbers = numbersTable(channel, { isOff: run => lanes.isOff(run), toggle: run => lanes.toggle(run) });
  const points = plane(channel);
  const differing = differences();
  const refusals = h('ul', { class: 'refusals' });
  const showRefusals = whenChanged<string[]>(all =>
    refusals.replaceChildren(...all.map(text => h('li', {}, icon('warning'), h('span', {}, text)))),
  );
  let all = channel.view.allSeries === true;
  const every = checkbox(t('All series'), all, wanted => {
    all = wanted;
    channel.keepView({ allSeries: wanted });
    if (comparison) update(comparison);
  });
  lanes.toolbar.prepend(every.element);
  const title = h('h1');
  const showTitle = whenChanged<string[]>(names => {
    const [name] = new Set(names).size === 1 ? names : [];
    title.textContent = name ? t('{0}: {1} runs compared', name, names.length) : t('{0} runs compared', names.length);
  });

  function update(next: ComparisonView): void {
    showTitle(next.runs.map(run => run.name));
    showRefusals(next.refusals);
    numbers.update(next);
    points.update(next);
    differing.update(next);
    const specs = lanesOfRuns(next.runs).filter(spec => all || isFirstQuestion(spec));
    lanes.update(specs, {
      newest: Math.max(...next.runs.map(run => run.step)),
      planned: Math.max(...next.runs.map(run => run.steps ?? 0)) || null,
      marks: [],
      budgets: spec => sharedBudget(spec, Object.assign({}, ...next.runs.map(latestBudgets))),
    });
    values.show(next.runs, specs);
  }

  return {
    elements: [
      h(
        'header',
        { class: 'compare-header' },
        title,
        h(
          'div',
          { class: 'actions' },
          button(t('Export Report'), () => channel.command('exportReport'), 'primary'),
        ),
      ),
      h(
        'div',
        { class: 'content' },
        refusals,
        numbers.element,
        points.element,
        h('section', { 'aria-label': t('Charts') }, h('h2', {}, t('Over the steps')), lanes.toolbar, lanes.element),
        values.element,
        differing.element,
      ),
    ],
    update,
    resubscribe: () => lanes.resubscribe(),
    buckets: message => {
      lanes.buckets(message.request, message.series);
      values.update();
    },
    points: message => {
      lanes.points(message.points);
      values.update();
    },
  };
}

/** What people ask first: did it learn, did it forget, how far did it move. */
function isFirstQuestion(spec: LaneSpec): boolean {
  return spec.id === 'loss' || spec.lane === 'forgetting' || spec.id === 'kl.train';
}

function nothing(refusals: string[]): HTMLElement {
  return h(
    'div',
    { class: 'welcome' },
    h('h1', {}, t('Nothing to compare')),
    ...refusals.map(text => h('p', {}, text)),
    h(
      'p',
      {},
      t('Select two or more runs in the Runs view and choose Compare Selected, or press Compare above a recipe.'),
    ),
  );
}
