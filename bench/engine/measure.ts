/** One line of the table: what was measured, beside what must be and what is aimed at. Knows nothing of how. */
import { median, spread } from '../spread.ts';

export interface Measure {
  name: string;
  /** One a round. */
  values: readonly number[];
  text: (value: number) => string;
  must: number;
  goal: number;
  /** at least: speed. at most: time and memory. */
  limit: 'at least' | 'at most';
}

export const times = (x: number): string => `${x.toFixed(2)}x`;
export const percent = (x: number): string => `${(100 * x).toFixed(0)} %`;
export const seconds = (x: number): string => `${x.toFixed(2)} s`;
export const gibibytes = (x: number): string => `${(x / 2 ** 30).toFixed(2)} GiB`;

export function measureTable(measures: readonly Measure[]): string {
  const head = ['| measure | median (range) | must | goal | |', '|---|---|---|---|---|'];
  return [...head, ...measures.map(row)].join('\n');
}

function row({ name, values, text, must, goal, limit }: Measure): string {
  const bound = (value: number) => `${limit === 'at least' ? '≥' : '≤'} ${text(value)}`;
  const meets = (bound: number) => (limit === 'at least' ? median(values) >= bound : median(values) <= bound);
  const word = meets(goal) ? 'goal' : meets(must) ? 'must' : '**missed**';
  return `| ${name} | ${spread(values, text)} | ${bound(must)} | ${bound(goal)} | ${word} |`;
}
