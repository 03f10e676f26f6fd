/** Below the charts: answers, lost items, settings, environment and log, one at a time. */
import type { RunView } from '../../src/protocol/panel.ts';
import type { Channel } from '../shared/channel.ts';
import { h, on, setText, whenChanged } from '../shared/dom.ts';
import { formatBytes, formatCount, formatPercent } from '../shared/format.ts';
import { t } from '../shared/strings.ts';
import { keyValueTable } from '../shared/tables.ts';
import { button, tabs } from '../shared/ui.ts';
import { answers } from './answers.ts';
import { flips } from './flips.ts';
import type { Part } from './header.ts';

export function runDetails(channel: Channel): Part {
  const parts = {
    answers: answers(channel),
    flips: flips(),
    settings: settings(),
    environment: environment(),
    log: log(channel),
  };
  const active = String(channel.view.tab ?? 'answers');
  const strip = tabs(
    t('Details'),
    [
      { id: 'answers', title: t('Answers'), content: parts.answers.element },
      { id: 'flips', title: t('Lost and gained'), content: parts.flips.element },
      { id: 'settings', title: t('Settings'), content: parts.settings.element },
      { id: 'environment', title: t('Environment'), content: parts.environment.element },
      { id: 'log', title: t('Log'), content: parts.log.element },
    ],
    Object.hasOwn(parts, active) ? active : 'answers',
    tab => channel.keepView({ tab }),
  );
  return {
    element: h('section', { class: 'details', 'aria-label': t('Details') }, strip.element),
    update(run) {
      for (const part of Object.values(parts)) part.update(run);
      const lost = Object.values(run.evaluation?.forgetting ?? {});
      const count = lost.reduce((sum, score) => sum + (score.accuracy?.lost ?? 0), 0);
      strip.count('flips', count > 0 ? String(count) : '');
    },
  };
}

function settings(): Part {
  const element = h('div', { class: 'pane' });
  const show = whenChanged<RunView['settings']>(all =>
    element.replaceChildren(
      Object.keys(all).length > 0
        ? keyValueTable(t('Settings, every default written out'), all)
        : h('p', { class: 'empty' }, t('The settings are not resolved yet.')),
    ),
  );
  return { element, update: run => show(run.settings) };
}

function environment(): Part {
  const element = h('div', { class: 'pane' });
  const show = whenChanged<Pick<RunView, 'trainer' | 'prepared' | 'result'>>(({ trainer, prepared, result }) => {
    const rows = {
      ...(trainer && { [t('Trainer')]: trainer }),
      ...(prepared && environmentRows(prepared, result)),
    };
    element.replaceChildren(
      Object.keys(rows).length > 0
        ? keyValueTable(t('What it runs on, and what trains'), rows)
        : h('p', { class: 'empty' }, t('The trainer has not said yet what it runs on.')),
    );
  });
  return {
    element,
    update: ({ trainer, prepared, result }) => show({ trainer, prepared, result }),
  };
}

function environmentRows(
  prepared: NonNullable<RunView['prepared']>,
  result: RunView['result'],
): Record<string, string> {
  const { runtime, data } = prepared;
  return {
    [t('Runtime')]: `${runtime.name}, ${runtime.provider} (${runtime.reason})`,
    [t('Trains')]: t(
      '{0}: {1} of {2} parameters, {3}',
      prepared.trained,
      formatCount(prepared.trainedParameters),
      formatCount(prepared.parameters),
      formatPercent(prepared.trainedShare, prepared.trainedShare < 0.1 ? 2 : 0),
    ),
    [t('Task rows')]: formatCount(data.trainRows),
    [t('Replay rows')]: formatCount(data.replayRows),
    ...(data.droppedRows > 0 ? { [t('Dropped rows')]: formatCount(data.droppedRows) } : {}),
    ...(prepared.memoryEstimateBytes ? { [t('Memory, estimated')]: formatBytes(prepared.memoryEstimateBytes) } : {}),
    ...(result?.peakMemoryBytes ? { [t('Memory, peak')]: formatBytes(result.peakMemoryBytes) } : {}),
    ...(result ? { [t('Tokens')]: formatCount(result.tokens) } : {}),
    ...prepared.environment,
    [t('Comparison fingerprint')]: prepared.fingerprints.comparison,
  };
}

function log(channel: Channel): Part {
  const text = h('pre', { class: 'log', tabindex: 0, role: 'region', 'aria-label': t('Last lines of the log') });
  let run: string | undefined;
  /** Until the reader scrolls up. */
  let isFollowing = true;
  const follow = () => {
    if (isFollowing) text.scrollTop = text.scrollHeight;
  };
  on(text, 'scroll', () => {
    isFollowing = text.scrollTop + text.clientHeight >= text.scrollHeight - 4;
  });
  // What is not shown cannot be scrolled, so it is when its tab opens.
  new ResizeObserver(follow).observe(text);
  const element = h(
    'div',
    { class: 'pane' },
    text,
    button(t('Open Log'), () => channel.command('openLog', { run })),
  );
  return {
    element,
    update(next) {
      run = next.id;
      setText(text, next.logTail.length > 0 ? next.logTail.join('\n') : t('Nothing was printed yet.'));
      follow();
    },
  };
}
