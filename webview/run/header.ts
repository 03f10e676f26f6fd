/** The top of the run panel: what runs, how far it is, and how to stop it. Stays on screen and never changes its height. */
import type { RunView } from '../../src/protocol/panel.ts';
import type { Channel } from '../shared/channel.ts';
import { h, setText, whenChanged } from '../shared/dom.ts';
import { formatCount, formatDuration } from '../shared/format.ts';
import { t } from '../shared/strings.ts';
import { badge, button } from '../shared/ui.ts';
import { isLive, statusIcon, variantWord } from '../shared/words.ts';

export interface Part {
  element: HTMLElement;
  update(run: RunView): void;
}

export function runHeader(channel: Channel): Part {
  const title = h('h1');
  const variant = h('span', { class: 'variant' });
  const state = h('span', { class: 'status-icon' });
  const statusText = h('span', { class: 'status-text' });
  const steps = h('span', { class: 'numbers' });
  const left = h('span', { class: 'numbers' });
  const bar = h('div', { class: 'progress-value' });
  const progress = h('div', { class: 'progress', role: 'progressbar', 'aria-label': t('Progress') }, bar);
  let id: string | undefined;
  const stop = button(t('Stop'), () => channel.command('stop', { run: id }), 'primary');
  const pause = button(t('Pause'), () => channel.command('pause', { run: id }));
  const save = button(t('Save Checkpoint'), () => channel.command('checkpoint', { run: id }));
  const resume = button(t('Resume'), () => channel.command('resume', { run: id }), 'primary');
  const fork = button(t('Fork…'), () => channel.command('fork', { run: id }));
  const recipe = button(t('Open Recipe'), () => channel.command('openRecipe', { run: id }));
  const compare = button(t('Compare With…'), () => channel.command('compareWith', { run: id }));
  const folder = button(t('Show Folder'), () => channel.command('revealFolder', { run: id }));
  const element = h(
    'header',
    { class: 'run-header' },
    h('div', { class: 'run-title' }, title, variant),
    h('div', { class: 'actions' }, stop, pause, save, resume, fork, compare, recipe, folder),
    h('p', { class: 'status-line' }, h('span', { class: 'status' }, state, statusText), steps, left),
    progress,
  );

  const showStatus = whenChanged<RunView['status']>(status => {
    state.replaceChildren(statusIcon(status));
    element.dataset.status = status;
    stop.hidden = !isLive(status);
    pause.hidden = status !== 'running' && status !== 'stale';
    save.hidden = pause.hidden;
    resume.hidden = status !== 'paused' && (isLive(status) || status === 'finished');
  });
  const showVariant = whenChanged<string>(name => variant.replaceChildren(badge(variantWord(name))));

  return {
    element,
    update(run) {
      id = run.id;
      setText(title, run.name);
      showVariant(run.variant);
      showStatus(run.status);
      fork.hidden = isLive(run.status) || !run.marks.some(({ kind }) => kind === 'checkpoint');
      setText(statusText, run.statusText);
      setText(steps, stepsText(run));
      setText(left, timeText(run));
      showProgress(progress, bar, run);
    },
  };
}

function stepsText(run: RunView): string {
  return isLive(run.status) ? '' : t('{0} steps', formatCount(run.step));
}

function timeText(run: RunView): string {
  if (isLive(run.status)) {
    return run.secondsLeft === null ? '' : t('about {0} left', formatDuration(run.secondsLeft));
  }
  return run.result ? t('took {0}', formatDuration(run.result.seconds)) : '';
}

function showProgress(progress: HTMLElement, bar: HTMLElement, run: RunView): void {
  const share = run.steps ? Math.min(1, run.step / run.steps) : (run.progress?.fraction ?? 0);
  progress.setAttribute('aria-valuenow', String(Math.round(share * 100)));
  bar.style.transform = `scaleX(${share})`;
}
