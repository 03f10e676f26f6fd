/** The table of a comparison for people. One seed a line: it claims nothing about methods, and says so. */
import { formatInterval, statusWord, verdictNote, verdictWord } from '../domain/words.ts';
import type { RunResult } from '../protocol/result.ts';
import { type Column, table } from './table.ts';

/** `hasSeeds`: a table over seeds follows, which says what may be claimed. */
export function comparisonText(results: RunResult[], hasSeeds = false): string {
  const sets = [...new Set(results.flatMap(({ forgetting }) => Object.keys(forgetting)))];
  const learned = [...new Set(results.flatMap(({ learning }) => Object.keys(learning)))];
  const columns: Column[] = [
    { title: 'variant' },
    ...learned.map(name => ({ title: `learned ${name}` })),
    ...sets.map(name => ({ title: `forgot ${name}` })),
    { title: 'verdict' },
    { title: 'trained', right: true },
    { title: 'seconds', right: true },
  ];
  const rows = results.map(result => [
    result.variant,
    ...learned.map(name => intervalText(result.learning[name])),
    ...sets.map(name => setText(result, name)),
    result.status === 'finished' ? verdictWord(result.verdict) : statusWord(result.status),
    result.trainedShare === null ? '' : `${(100 * result.trainedShare).toFixed(0)} %`,
    result.seconds.toFixed(0),
  ]);
  const lines = [
    table(columns, rows),
    '',
    'Nats per token; points of accuracy where the budget is in points. ✓ kept  ✗ forgot  ? cannot tell  (r) also replayed',
  ];
  for (const { variant, status, error, stopRule, steps } of results) {
    const ending = stopRule ? `stopped at step ${steps} by the rule "${stopRule}"` : statusWord(status);
    if (status !== 'finished') lines.push(`${variant}: ${error?.message ?? ending}`);
  }
  if (!hasSeeds) lines.push(verdictNote(true, null));
  return lines.join('\n');
}

const intervalText = (estimate: { value: number; low: number; high: number } | undefined): string =>
  estimate ? formatInterval(estimate) : '';

function setText(result: RunResult, name: string): string {
  const set = result.forgetting[name];
  if (!set) return '';
  const { accuracy, budget, verdict, replayed } = set;
  const inPoints = accuracy && budget && 'points' in budget;
  const number = inPoints
    ? `${formatInterval({ value: accuracy.drop, low: accuracy.low, high: accuracy.high })} pt`
    : formatInterval(set);
  const mark = verdict === 'kept' ? ' ✓' : verdict === 'forgot' ? ' ✗' : verdict === 'cannot tell' ? ' ?' : '';
  return `${number}${mark}${replayed ? ' (r)' : ''}`;
}
