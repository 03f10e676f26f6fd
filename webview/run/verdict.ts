/**
 * Did the model keep what it knew? The answer in words, a line for each probe set with its interval against its budget,
 * and the checks before the first update. Reserves its place before the first verdict, so that nothing jumps.
 */
import type { RunView } from '../../src/protocol/panel.ts';
import type { SetScore } from '../../src/protocol/trainer.ts';
import { h, svg, whenChanged } from '../shared/dom.ts';
import { icon } from '../shared/icons.ts';
import { replayedHelp } from '../shared/laneWords.ts';
import { t } from '../shared/strings.ts';
import { isLive, verdictClass, verdictIcon, verdictWord } from '../shared/words.ts';
import type { Part } from './header.ts';

type Scores = Record<string, SetScore>;

export function verdictCard(): Part {
  const verdict = h('div', { class: 'verdict' });
  const failure = h('div', { class: 'failure', hidden: true });
  const checks = h('div', { class: 'checks' });
  const warnings = h('ul', { class: 'warnings' });
  const element = h('section', { class: 'summary', 'aria-label': t('Verdict') }, failure, verdict, checks, warnings);

  const showVerdict = whenChanged<{
    run: Pick<RunView, 'verdict' | 'status' | 'step'>;
    scores: Scores;
    watched: boolean;
  }>(({ run, scores, watched }) => {
    verdict.dataset.verdict = run.verdict.overall ?? 'none';
    verdict.className = `verdict is-${verdictClass(run.verdict.overall)}`;
    verdict.replaceChildren(...(run.verdict.lines.length > 0 ? verdictLines(run, scores) : [noVerdict(run, watched)]));
  });
  const showFailure = whenChanged<RunView['error']>(error => {
    failure.hidden = error === null;
    failure.replaceChildren(...(error ? failureText(error) : []));
  });
  const showChecks = whenChanged<RunView['stepZero']>(stepZero => checks.replaceChildren(...checkList(stepZero)));
  const showWarnings = whenChanged<string[]>(all =>
    warnings.replaceChildren(...all.map(text => h('li', {}, icon('warning'), h('span', {}, text)))),
  );

  return {
    element,
    update(run) {
      showFailure(run.error);
      // The place of a line for each set is kept free from the moment the sets are known.
      const sets = Math.max(Object.keys(run.prepared?.probes ?? {}).length, run.verdict.lines.length);
      verdict.style.setProperty('--sets', String(sets));
      showVerdict({
        run: {
          verdict: run.verdict,
          status: run.status,
          step: run.verdict.lines.length > 0 ? 0 : Math.min(run.step, 1),
        },
        scores: run.evaluation?.forgetting ?? {},
        watched: run.prepared === null || Object.keys(run.prepared.probes).length > 0,
      });
      showChecks(run.stepZero);
      const atEnd = isLive(run.status) ? [] : (run.result?.warnings ?? []);
      showWarnings([...new Set([...(run.prepared?.warnings ?? []), ...atEnd])]);
    },
  };
}

function verdictLines(run: Pick<RunView, 'verdict'>, scores: Scores): HTMLElement[] {
  const { overall, lines, note } = run.verdict;
  return [
    h('h2', {}, verdictIcon(overall), heading(run.verdict)),
    h(
      'ul',
      { class: 'verdict-sets' },
      ...lines.map(line =>
        h(
          'li',
          { class: `verdict-${verdictClass(line.verdict)}` },
          h('span', { class: 'verdict-word' }, verdictIcon(line.verdict), verdictWord(line.verdict)),
          h(
            'span',
            { class: 'verdict-text' },
            firstSentence(line.text),
            scores[line.set]?.replayed && h('span', { class: 'replayed', title: replayedHelp() }, t('replayed')),
          ),
          intervalPicture(scores[line.set]),
        ),
      ),
    ),
    h(
      'details',
      { class: 'verdict-more' },
      h('summary', {}, note || t('In full')),
      ...lines.map(line => h('p', {}, line.text)),
    ),
  ];
}

/** The judgement; further figures of the set stand in the full text. */
function firstSentence(text: string): string {
  const end = text.indexOf('. ');
  return end < 0 ? text : text.slice(0, end + 1);
}

/** The worst verdict, and which sets have it. */
function heading({ overall, lines }: RunView['verdict']): string {
  const sets = lines.filter(line => line.verdict === overall).map(line => line.set);
  if (overall === 'forgot') return t('Forgot: {0}', sets.join(', '));
  if (overall === 'cannot tell') return t('Cannot tell: {0}', sets.join(', '));
  return verdictWord(overall);
}

function noVerdict(run: Pick<RunView, 'status'>, watched: boolean): HTMLElement {
  const text = !watched
    ? t('Nothing watches for forgetting: the recipe names no probe sets under retain.probes.')
    : isLive(run.status)
      ? t('No verdict yet: it comes with the first evaluation.')
      : t('No verdict: the run ended before its first evaluation.');
  return h('p', { class: 'no-verdict' }, icon(watched ? 'none' : 'warning'), h('span', {}, text));
}

/** Value and interval on a line from zero, with the budget across it. The sentence beside it says the same. */
function intervalPicture(score: SetScore | undefined): Element {
  const shown = score && measured(score);
  if (!shown) return h('span');
  const { value, low, high, budget } = shown;
  const ends = [0, low, high, budget ?? 0];
  const from = Math.min(...ends);
  const span = Math.max(...ends) - from || 1;
  const at = (number: number) => 4 + ((number - from) / span) * 132;
  return svg(
    'svg',
    { class: 'interval', viewBox: '0 0 140 16', 'aria-hidden': 'true' },
    svg('line', { class: 'interval-zero', x1: at(0), x2: at(0), y1: 2, y2: 14 }),
    svg('line', { class: 'interval-axis', x1: 4, x2: 136, y1: 8, y2: 8 }),
    budget !== null && svg('line', { class: 'interval-budget', x1: at(budget), x2: at(budget), y1: 1, y2: 15 }),
    svg('line', { class: 'interval-range', x1: at(low), x2: at(high), y1: 8, y2: 8 }),
    svg('circle', { class: 'interval-value', cx: at(value), cy: 8, r: 3.2 }),
  );
}

/** A budget in points is about accuracy, one in nats about loss. */
function measured(score: SetScore): { value: number; low: number; high: number; budget: number | null } {
  const { budget, accuracy } = score;
  if (budget && 'points' in budget && accuracy) {
    return { value: accuracy.drop, low: accuracy.low, high: accuracy.high, budget: budget.points };
  }
  return {
    value: score.value,
    low: score.low,
    high: score.high,
    budget: budget && 'nats' in budget ? budget.nats : null,
  };
}

function failureText(error: NonNullable<RunView['error']>): HTMLElement[] {
  const place = error.file ? `${error.file}${error.line ? `:${error.line}` : ''}` : '';
  return [
    h('h2', {}, icon('forgot'), t('Failed')),
    h('p', {}, error.message),
    ...(place ? [h('p', { class: 'place' }, place)] : []),
    ...(error.remedy ? [h('p', { class: 'remedy' }, error.remedy)] : []),
  ];
}

function checkList(stepZero: RunView['stepZero']): HTMLElement[] {
  if (!stepZero) return [h('span', { class: 'checks-title' }, t('Checks before step 1')), h('span', {}, '–')];
  return [
    h('span', { class: 'checks-title' }, t('Checks before step 1')),
    ...Object.entries(stepZero.checks).map(([name, check]) =>
      h(
        'span',
        { class: `check check-${check.status}`, title: check.detail },
        icon(check.status === 'ok' ? 'kept' : check.status === 'failed' ? 'forgot' : 'none'),
        checkName(name),
        h('span', { class: check.status === 'ok' ? 'hidden-text' : 'check-status' }, `(${checkStatus(check.status)})`),
        check.status === 'failed' && check.detail ? h('span', { class: 'check-detail' }, check.detail) : null,
      ),
    ),
  ];
}

function checkName(name: string): string {
  const names: Record<string, string> = {
    labels: t('labels'),
    mask: t('mask'),
    precision: t('precision'),
    neutral: t('neutral start'),
    penalty: t('penalty is zero'),
    trainEqualsEval: t('train = eval'),
  };
  return Object.hasOwn(names, name) ? names[name]! : name;
}

function checkStatus(status: 'ok' | 'failed' | 'skipped'): string {
  return status === 'ok' ? t('ok') : status === 'failed' ? t('failed') : t('skipped');
}
