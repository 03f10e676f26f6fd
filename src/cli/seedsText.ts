/** The table of runs over their seeds, for people: what differs by more than the range over seeds is more than luck. */
import type { OverSeeds, Spread } from '../domain/overSeeds.ts';
import { formatInterval } from '../domain/words.ts';
import { table } from './table.ts';

export function seedsText(groups: readonly OverSeeds[]): string {
  const sets = [...new Set(groups.flatMap(({ forgetting }) => Object.keys(forgetting)))];
  const learned = [...new Set(groups.flatMap(({ learning }) => Object.keys(learning)))];
  const columns = [
    { title: 'over seeds' },
    { title: 'seeds', right: true },
    ...learned.map(name => ({ title: `learned ${name}` })),
    ...sets.map(name => ({ title: `forgot ${name}` })),
    { title: 'kept' },
  ];
  const rows = groups.map(({ label, seeds, unfinished, learning, forgetting, kept }) => [
    label || 'all runs',
    unfinished > 0 ? `${seeds - unfinished} of ${seeds}` : String(seeds),
    ...learned.map(name => cell(learning[name])),
    ...sets.map(name => `${cell(forgetting[name])}${forgetting[name]?.inPoints ? ' pt' : ''}`),
    `${kept} of ${seeds - unfinished}`,
  ]);
  const notes = [
    'Mean [least, most] over the seeds that trained to their end. What differs by less than that is luck.',
    'Nothing is said of abilities that no probe set stands for.',
  ];
  return [table(columns, rows), '', ...notes].join('\n');
}

const cell = (spread: Spread | undefined): string =>
  spread ? formatInterval({ value: spread.mean, low: spread.min, high: spread.max }) : '';
