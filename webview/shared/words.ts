/** Names of states and verdicts, each with its picture: never by colour alone. */
import type { RunResult, RunStatus } from '../../src/protocol/result.ts';
import { h } from './dom.ts';
import { type IconName, icon } from './icons.ts';
import { t } from './strings.ts';

type Verdict = RunResult['verdict'];

export const verdictClass = (verdict: Verdict) =>
  verdict === null ? 'none' : verdict === 'cannot tell' ? 'unsure' : verdict;

export function verdictWord(verdict: Verdict): string {
  if (verdict === 'kept') return t('Kept');
  if (verdict === 'forgot') return t('Forgot');
  if (verdict === 'cannot tell') return t('Cannot tell');
  return t('No verdict');
}

export function verdictIcon(verdict: Verdict): SVGElement {
  const name = verdictClass(verdict) as IconName;
  return icon(name, `verdict-${name}`);
}

export function verdictBadge(verdict: Verdict): HTMLElement {
  return h(
    'span',
    { class: `verdict-badge verdict-${verdictClass(verdict)}` },
    verdictIcon(verdict),
    verdictWord(verdict),
  );
}

const statusIcons: Record<RunStatus, IconName> = {
  queued: 'queued',
  running: 'running',
  paused: 'paused',
  finished: 'kept',
  stopped: 'stopped',
  failed: 'forgot',
  lost: 'warning',
  stale: 'warning',
};

export const statusIcon = (status: RunStatus) => icon(statusIcons[status], `status-${status}`);

export function variantWord(variant: string): string {
  const words: Record<string, string> = {
    plain: t('Plain'),
    replay: t('Replay'),
    regularized: t('Regularized'),
    narrow: t('Narrow'),
    'as-written': t('As written'),
  };
  return words[variant] ?? variant;
}

/** A run that has fallen silent may still be at work: it can be stopped like any other. */
export const isLive = (status: RunStatus) => ['running', 'queued', 'paused', 'stale'].includes(status);
