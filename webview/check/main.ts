/** The check page: what is wrong with a recipe, what it would train on, and what that would cost, before it starts. */
import './check.css';
import type { CheckView, ToPage } from '../../src/protocol/panel.ts';
import { Channel } from '../shared/channel.ts';
import { h } from '../shared/dom.ts';
import { formatBytes, formatCount, formatDuration, formatPercent } from '../shared/format.ts';
import { icon } from '../shared/icons.ts';
import { messageBox, startPage } from '../shared/page.ts';
import { t } from '../shared/strings.ts';
import { keyValueTable } from '../shared/tables.ts';
import { badge, busy, button } from '../shared/ui.ts';
import { variantWord } from '../shared/words.ts';

const main = startPage(t('Check'));
const channel = new Channel('check', receive);

main.append(busy(t('Loading…')));
channel.start();

function receive(message: ToPage) {
  if (message.type === 'refused') messageBox(main, message.message);
  if (message.type !== 'state' || message.state.page !== 'check') return;
  const { check, busy: checking } = message.state;
  channel.remember({ runs: [], recipe: check.recipe, variant: check.variant });
  main.replaceChildren(header(check), content(check, checking));
}

function header(check: CheckView): HTMLElement {
  const broken = check.problems.some(problem => problem.severity === 'error');
  const start = button(t('Start Fine-Tune'), () => channel.command('start'), 'primary');
  start.toggleAttribute('disabled', broken);
  return h(
    'header',
    { class: 'check-header' },
    h('h1', {}, check.recipe),
    badge(variantWord(check.variant)),
    h(
      'div',
      { class: 'actions' },
      start,
      button(t('Open Recipe'), () => channel.command('openRecipe')),
    ),
  );
}

function content(check: CheckView, checking: boolean): HTMLElement {
  return h(
    'div',
    { class: 'content' },
    checking && busy(t('Reading the data and scoring the first batch…')),
    problemList(check.problems, checking),
    check.estimate && estimates(check),
    check.prepared && trains(check.prepared),
    check.firstBatch && firstBatch(check.firstBatch),
    h('section', { 'aria-label': t('Settings') }, h('h2', {}, t('Settings')), settingsTable(check)),
  );
}

function problemList(problems: CheckView['problems'], checking: boolean): HTMLElement {
  const title = h('h2', {}, t('Problems'));
  const none = h('p', { class: 'no-problems' }, icon(checking ? 'none' : 'kept'), h('span', {}, t('None found.')));
  if (problems.length === 0) return h('section', { class: 'problems' }, title, none);
  return h('section', { class: 'problems' }, title, h('ul', {}, ...problems.map(problemLine)));
}

function problemLine(problem: CheckView['problems'][number]): HTMLElement {
  const { severity, message, line, remedy } = problem;
  const place = line === undefined ? null : h('button', { class: 'link', type: 'button' }, t('line {0}', line));
  place?.addEventListener('click', () => channel.command('openRecipe', { line }));
  return h(
    'li',
    { class: `problem-${severity}` },
    icon(severity === 'error' ? 'forgot' : 'warning'),
    h('span', { class: 'hidden-text' }, severity === 'error' ? t('Error:') : t('Warning:')),
    h('span', {}, message, ' ', remedy && h('span', { class: 'remedy' }, remedy, ' '), place),
  );
}

function estimates(check: CheckView): HTMLElement {
  const { memoryBytes, freeBytes, secondsPerStep, seconds } = check.estimate!;
  const memory = t('about {0}', formatBytes(memoryBytes));
  const facts: [string, string][] = [
    [t('Memory'), freeBytes === undefined ? memory : t('{0} of {1} free', memory, formatBytes(freeBytes))],
    [t('A step'), formatDuration(secondsPerStep)],
    [t('The whole run'), t('about {0}', formatDuration(seconds))],
    ...(check.prepared ? [[t('Steps'), formatCount(check.prepared.steps)] as [string, string]] : []),
  ];
  return h(
    'section',
    { 'aria-label': t('Estimate') },
    h('h2', {}, t('Estimate')),
    h('dl', { class: 'facts' }, ...facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))),
  );
}

function trains(prepared: NonNullable<CheckView['prepared']>): HTMLElement {
  const { data, probes } = prepared;
  const sets = Object.entries(probes).map(([name, { items, replayed }]) =>
    replayed
      ? t('{0} ({1} items, replayed)', name, formatCount(items))
      : t('{0} ({1} items)', name, formatCount(items)),
  );
  return h(
    'section',
    { 'aria-label': t('What trains') },
    h('h2', {}, t('What trains')),
    h(
      'p',
      {},
      t(
        '{0}: {1} of {2} parameters.',
        prepared.trained,
        formatCount(prepared.trainedParameters),
        formatCount(prepared.parameters),
      ),
    ),
    h(
      'p',
      {},
      t(
        '{0} task rows, {1} replay rows, {2} dropped.',
        formatCount(data.trainRows),
        formatCount(data.replayRows),
        formatCount(data.droppedRows),
      ),
    ),
    h('p', {}, sets.length > 0 ? t('Watched: {0}.', sets.join(', ')) : t('Nothing watches for forgetting.')),
    ...prepared.warnings.map(text => h('p', { class: 'warning' }, icon('warning'), ' ', text)),
  );
}

function firstBatch(batch: NonNullable<CheckView['firstBatch']>): HTMLElement {
  const rows = batch.rows.map(row =>
    h(
      'li',
      { class: `row row-${row.kind}` },
      h('span', { class: 'row-kind' }, row.kind === 'replay' ? t('Replay') : t('Task')),
      h(
        'p',
        {},
        ...row.pieces.map(({ text, supervised }) => h('span', { class: supervised ? 'supervised' : 'context' }, text)),
      ),
    ),
  );
  return h(
    'section',
    { 'aria-label': t('First batch') },
    h('h2', {}, t('First batch')),
    h(
      'p',
      { class: 'note' },
      h('span', { class: 'supervised' }, t('Underlined text')),
      ' ',
      t('carries loss: {0} of the tokens. The rest is context.', formatPercent(batch.supervisedShare)),
    ),
    h('ol', { class: 'batch' }, ...rows),
  );
}

function settingsTable(check: CheckView): HTMLElement {
  return Object.keys(check.settings).length > 0
    ? keyValueTable(t('Resolved, every default written out'), check.settings)
    : h('p', { class: 'empty' }, t('The recipe has to be valid before its settings can be resolved.'));
}
