/** How a run is called, described and drawn wherever the editor lists it: tree, quick pick, lens, status bar. */
import * as vscode from 'vscode';
import { formatSigned } from '../../domain/words.ts';
import type { RunSummary } from '../../runs/runSummary.ts';

type Row = Pick<
  RunSummary,
  'name' | 'variant' | 'status' | 'reason' | 'step' | 'steps' | 'verdict' | 'sets' | 'createdAt' | 'tags'
>;

const { t } = vscode.l10n;

export function runLabel(run: Row): string {
  return `${run.name} · ${run.variant}`;
}

export function statusWords({ status, step, steps, reason }: Row): string {
  switch (status) {
    case 'queued':
      return reason ? t('queued: {0}', reason) : t('queued');
    case 'running':
      return steps ? t('step {0} of {1}', step, steps) : t('step {0}', step);
    case 'paused':
      // Nobody paused it, when there is a reason: a full disk.
      return reason ? t('paused: {0}', reason) : t('paused at step {0}', step);
    case 'finished':
      return t('finished');
    case 'stopped':
      return t('stopped at step {0}', step);
    case 'failed':
      return reason ? t('failed: {0}', reason) : t('failed');
    case 'lost':
      return reason ? t('lost: {0}', reason) : t('lost');
    case 'stale':
      return reason ? t('silent: {0}', reason) : t('silent');
    default:
      return status satisfies never;
  }
}

export function verdictWords(run: Row): string {
  switch (run.verdict) {
    case 'kept':
      return t('kept');
    case 'forgot':
      return t('forgot {0}', worstSets(run).join(', '));
    case 'cannot tell':
      return t('cannot tell');
    case null:
      return '';
    default:
      return run.verdict satisfies never;
  }
}

/** "forgot arithmetic · 14:03" for what is over, "step 40 of 200" for what lives. */
export function runDescription(run: Row): string {
  const isPast = ['finished', 'stopped'].includes(run.status);
  const words = isPast && run.verdict ? verdictWords(run) : statusWords(run);
  const isStopped = run.status === 'stopped' && run.verdict ? t('stopped') : '';
  const time = ['running', 'paused'].includes(run.status) ? '' : whenWords(run.createdAt);
  const tags = run.tags.map(tag => `#${tag}`);
  return [isStopped, words, ...tags, time].filter(Boolean).join(' · ');
}

export function runIcon({ status, verdict }: Pick<RunSummary, 'status' | 'verdict'>): vscode.ThemeIcon {
  const icon = (id: string, colour?: string) =>
    new vscode.ThemeIcon(id, colour ? new vscode.ThemeColor(colour) : undefined);
  switch (status) {
    case 'queued':
      return icon('clock', 'descriptionForeground');
    case 'running':
      return icon('sync~spin', 'charts.blue');
    case 'paused':
      return icon('debug-pause', 'charts.blue');
    case 'failed':
      return icon('error', 'list.errorForeground');
    case 'lost':
      return icon('debug-disconnect', 'list.errorForeground');
    case 'stale':
      return icon('watch', 'list.warningForeground');
    case 'finished':
    case 'stopped':
      return verdictIcon(verdict, status === 'stopped' ? 'debug-stop' : 'circle-large-outline');
    default:
      return status satisfies never;
  }
}

function verdictIcon(verdict: RunSummary['verdict'], without: string): vscode.ThemeIcon {
  switch (verdict) {
    case 'kept':
      return new vscode.ThemeIcon('pass', new vscode.ThemeColor('holdfast.kept'));
    case 'forgot':
      return new vscode.ThemeIcon('warning', new vscode.ThemeColor('holdfast.forgot'));
    case 'cannot tell':
      return new vscode.ThemeIcon('question', new vscode.ThemeColor('holdfast.cannotTell'));
    case null:
      return new vscode.ThemeIcon(without);
    default:
      return verdict satisfies never;
  }
}

function worstSets({ sets }: Row): string[] {
  return Object.entries(sets).flatMap(([name, { verdict }]) => (verdict === 'forgot' ? [name] : []));
}

/** The time of today, the day of what is older. */
function whenWords(at: number): string {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  const options: Intl.DateTimeFormatOptions = isToday
    ? { hour: '2-digit', minute: '2-digit' }
    : { month: 'short', day: 'numeric' };
  return new Intl.DateTimeFormat(vscode.env.language, options).format(date);
}

export const signed = (value: number): string => formatSigned(value);

/** "84 MB", "1.2 GB". */
export function sizeWords(bytes: number): string {
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length, Math.max(1, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** power;
  return `${value.toFixed(value < 10 && power > 1 ? 1 : 0)} ${units[power - 1]}`;
}
