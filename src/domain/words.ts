/**
 * Sentences for people: verdicts, status, time left. Every sentence goes through a translate function, so that the
 * editor can show it in the user's language; `{0}` stands for an argument. Knows no editor and no terminal.
 */
import type { RunResult, RunStatus, SetResult } from '../protocol/result.ts';
import type { SetScore, Verdict } from '../protocol/trainer.ts';
import { autoSet } from '../recipe/autoSet.ts';
import { suggestBudget } from './statistics.ts';

export type Translate = (message: string, ...args: (string | number)[]) => string;

/** Plain English. */
export const inEnglish: Translate = (message, ...args) =>
  message.replace(/\{(\d+)\}/g, (whole, index: string) => String(args[Number(index)] ?? whole));

export const minus = '−';

/** A number in as many digits as `step` (an error, a width) makes sense of; at least two that count. */
export function formatNumber(value: number, step = Math.abs(value)): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? '?' : value > 0 ? '∞' : `${minus}∞`;
  const scale = step > 0 ? step : Math.abs(value) || 1;
  const decimals = Math.min(Math.max(0, 1 - Math.floor(Math.log10(scale))), 6);
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? text.replace('-', '') : text).replace('-', minus);
}

/** "+0.03": for differences. */
export function formatSigned(value: number, step?: number): string {
  const text = formatNumber(value, step);
  return value > 0 && /[1-9∞]/.test(text) ? `+${text}` : text;
}

/** "+0.03 [0.01, 0.05]", each in digits that fit the interval's width. */
export function formatInterval({ value, low, high }: { value: number; low: number; high: number }): string {
  const width = high - low;
  const step = width > 0 ? width / 2 : undefined;
  return `${formatSigned(value, step)} [${formatNumber(low, step)}, ${formatNumber(high, step)}]`;
}

type AnySet = Pick<SetScore, 'value' | 'low' | 'high' | 'unit' | 'items'> &
  Partial<Pick<SetScore, 'kind' | 'accuracy' | 'budget' | 'verdict' | 'itemsNeeded' | 'replayed'>>;

/** "general (300 texts): +0.03 nats/token [0.01, 0.05], within your budget." */
export function setSentence(
  name: string,
  set: AnySet | (SetResult & { kind?: undefined }),
  t: Translate = inEnglish,
): string {
  const isOwn = name === autoSet;
  const head = t('{0} ({1})', name, isOwn ? t("{0} of the base's own texts", set.items) : countText(set, t));
  const rise = measured(set, set.unit);
  const drop = set.accuracy && t('accuracy {0}', dropText(set.accuracy, t));
  const judged = set.budget && 'points' in set.budget ? (drop ?? rise) : rise;
  const rest = [judged === drop ? rise : drop].filter(text => text !== undefined && text !== judged);
  const flips = set.accuracy && flipText(set.accuracy, t);
  const after = [...rest, ...(flips ? [flips] : [])].join('; ');
  const replayed = set.replayed ? t('This kind of text is also replayed: the set wins by construction.') : '';
  const own = isOwn ? t('The base wrote them itself, without any data: the rise estimates KL(base ‖ tuned).') : '';
  return [`${head}: ${judged}, ${verdictText(set, t)}.`, after && `${after}.`, replayed, own].filter(Boolean).join(' ');
}

function measured({ value, low, high }: { value: number; low: number; high: number }, unit: string): string {
  const [number, ...interval] = formatInterval({ value, low, high }).split(' ');
  return `${number} ${unit} ${interval.join(' ')}`;
}

function dropText({ drop, low, high }: { drop: number; low: number; high: number }, t: Translate): string {
  const width = Math.max(high - low, 0.2);
  // As a change: a drop of 8 points reads −8 [−12, −4].
  const shown = [drop, high, low].map(points => formatSigned(-points, width));
  return t('{0} points [{1}, {2}]', ...shown);
}

function flipText({ lost, gained }: { lost: number; gained: number }, t: Translate): string {
  if (lost === 0 && gained === 0) return t('no answer flipped');
  return t('{0} flipped from right to wrong, {1} from wrong to right', lost, gained);
}

function countText({ items, kind, accuracy }: AnySet | (SetResult & { kind?: undefined }), t: Translate): string {
  switch (kind ?? (accuracy ? 'items' : 'texts')) {
    case 'text':
    case 'texts':
      return items === 1 ? t('1 text') : t('{0} texts', items);
    case 'choice':
      return items === 1 ? t('1 question') : t('{0} questions', items);
    case 'pairs':
      return items === 1 ? t('1 pair') : t('{0} pairs', items);
    default:
      return items === 1 ? t('1 item') : t('{0} items', items);
  }
}

function verdictText(set: Omit<AnySet, 'kind'>, t: Translate): string {
  switch (set.verdict) {
    case 'kept':
      return t('within your budget');
    case 'forgot':
      return t('more than your budget of {0}', budgetText(set));
    case 'cannot tell':
      return set.itemsNeeded === undefined
        ? t('too close to your budget of {0} to tell', budgetText(set))
        : t(
            'cannot tell against your budget of {0}: it would take about {1} items',
            budgetText(set),
            roundedUp(set.itemsNeeded),
          );
    case undefined:
      return set.high > set.low
        ? t('no budget given; this set can tell {0} {1} from noise', suggestBudget(set), set.unit)
        : t('no budget given');
    default:
      return set.verdict satisfies never;
  }
}

function budgetText({ budget, unit }: Pick<AnySet, 'budget' | 'unit'>): string {
  if (!budget) return '';
  return 'nats' in budget ? `${budget.nats} ${unit}` : `${budget.points} points`;
}

/** Two digits are as much as an estimate of items knows. */
function roundedUp(items: number): string {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(items)) - 1);
  return String(Math.ceil(items / unit) * unit);
}

export function verdictWord(verdict: Verdict | null, t: Translate = inEnglish): string {
  switch (verdict) {
    case 'kept':
      return t('kept');
    case 'forgot':
      return t('forgot');
    case 'cannot tell':
      return t('cannot tell');
    default:
      return t('no verdict');
  }
}

/** What a verdict does not say. `final`: all items, on the weights as saved. */
export function verdictNote(final: boolean, items: number | null, t: Translate = inEnglish): string {
  const claim = t('One seed: no claim about the method. Nothing is said of abilities that no probe set stands for.');
  if (final || items === null) return claim;
  return `${t('During the run: at most {0} items a set; the end uses all.', items)} ${claim}`;
}

export function statusWord(status: RunStatus, t: Translate = inEnglish): string {
  const words: Record<RunStatus, string> = {
    queued: t('queued'),
    running: t('running'),
    paused: t('paused'),
    finished: t('finished'),
    stopped: t('stopped'),
    failed: t('failed'),
    lost: t('lost'),
    stale: t('not answering'),
  };
  return words[status];
}

export interface StatusOf {
  status: RunStatus;
  reason?: string;
  step: number;
  steps: number | null;
  progress: { phase: string; fraction: number } | null;
  verdict?: RunResult['verdict'];
}

/** "running, step 40 of 200", "running, scoring the base 30 %", "failed at step 7: out of memory", "finished, kept". */
export function statusText(
  { status, reason, step, steps, progress, verdict }: StatusOf,
  t: Translate = inEnglish,
): string {
  const word = statusWord(status, t);
  switch (status) {
    case 'running':
    case 'paused':
    case 'stale': {
      const place = progress
        ? `${t(progress.phase)} ${Math.floor(100 * progress.fraction)} %`
        : steps === null
          ? t('step {0}', step)
          : t('step {0} of {1}', step, steps);
      return reason ? `${word}, ${place}: ${reason}` : `${word}, ${place}`;
    }
    case 'finished':
      return verdict ? `${word}, ${verdictWord(verdict, t)}` : word;
    case 'queued':
      return reason ? `${word}: ${reason}` : word;
    case 'stopped':
    case 'failed':
    case 'lost': {
      // "stopped, and saved at step 12" says it all.
      if (reason?.startsWith(statusWord(status))) return reason;
      const place = step > 0 ? t('{0} at step {1}', word, step) : word;
      return reason ? `${place}: ${reason}` : place;
    }
    default:
      return status satisfies never;
  }
}

/** "2 h 5 min", "3 min 20 s", "45 s". */
export function durationText(seconds: number, t: Translate = inEnglish): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours > 0) return t('{0} h {1} min', hours, minutes);
  if (minutes > 0) return t('{0} min {1} s', minutes, rest);
  return t('{0} s', rest);
}

export const timeLeftText = (seconds: number | null, t: Translate = inEnglish): string =>
  seconds === null ? '' : t('about {0} left', durationText(seconds, t));
