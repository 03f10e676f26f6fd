/** The bench's numbers: means over seeds with intervals, recovery against plain tuning, and Markdown tables of both. */
import type { RunResult, SetResult } from '../../src/protocol/result.ts';
import { arms } from './arms.ts';

/** Results of one arm in one example, one a seed. */
export type Results = Record<string, Record<string, RunResult[]>>;

export interface Spread {
  mean: number;
  /** 95 % interval of the mean over seeds, Student's t. */
  low: number;
  high: number;
}

/** Two-sided 95 % quantiles of Student's t by degrees of freedom. */
const studentT = [Number.NaN, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

export function spread(values: readonly number[]): Spread {
  const mean = average(values);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const half = studentT[values.length - 1]! * Math.sqrt(variance / values.length);
  return { mean, low: mean - half, high: mean + half };
}

/** What a set lost, in the unit of its budget: points of accuracy where it has choices, else nats per token. */
export function lossOf(set: SetResult): number {
  return set.accuracy === undefined ? set.value : set.accuracy.drop;
}

export function learningOf(result: RunResult): number {
  return result.learning.eval!.value;
}

/**
 * Share of what plain tuning lost that this run kept: mean over the sets where plain tuning of the same seed is
 * `forgot`. Null where plain forgot nothing.
 */
export function recovery(run: RunResult, plain: RunResult): number | null {
  const lost = Object.entries(plain.forgetting).filter(([, set]) => set.verdict === 'forgot');
  if (lost.length === 0) return null;
  return average(lost.map(([name, set]) => 1 - lossOf(run.forgetting[name]!) / lossOf(set)));
}

/** Shares of plain's learning and of plain's loss that an arm keeps: means over the examples, intervals over seeds. */
export function sharesOf(results: Results, arm: string): { learned: Spread; saved: Spread } {
  const perSeed = bySeed(results, arm);
  return {
    learned: spread(perSeed.map(pairs => average(pairs.map(([run, plain]) => learningOf(run) / learningOf(plain))))),
    saved: spread(perSeed.map(pairs => average(pairs.flatMap(([run, plain]) => recovery(run, plain) ?? [])))),
  };
}

/** One line an arm over all examples. */
export function summaryTable(results: Results): string {
  const rows = arms.map(({ name }) => {
    const { learned, saved } = sharesOf(results, name);
    const runs = bySeed(results, name).flatMap(pairs => pairs.map(([run]) => run));
    const forgot = runs.filter(run => run.verdict === 'forgot').length;
    const seconds = average(runs.map(run => run.seconds)).toFixed(0);
    return [name, percent(learned), percent(saved), `${forgot} of ${runs.length}`, seconds];
  });
  return table(['arm', "of plain's learning", "of plain's loss saved", 'runs that forgot', 'seconds a run'], rows);
}

/** What was hoped for, and whether the means reach it. */
export function aims(results: Results): string {
  const sentence = (arm: string, goal: string, learnedGoal: number, savedGoal: number) => {
    const { learned, saved } = sharesOf(results, arm);
    const verdict = learned.mean >= learnedGoal && saved.mean >= savedGoal ? 'reached' : 'not reached';
    return `- ${goal}: ${percent(saved, 1)} saved at ${percent(learned, 1)} of the learning, **${verdict}**.`;
  };
  return [
    sentence(
      'combination',
      "One combination in all examples was to save 85 % of plain's loss at 95 % of its learning",
      0.95,
      0.85,
    ),
    sentence('narrow', 'Narrow tuning was to keep 90 % of the learning at a fifth of the forgetting', 0.9, 0.8),
  ].join('\n');
}

/** All numbers of one example. */
export function exampleTable(results: Results[string]): string {
  const sets = Object.entries(results.plain![0]!.forgetting);
  const rows = arms.map(arm => {
    const runs = results[arm.name]!;
    const first = runs[0]!;
    return [
      arm.name,
      number(spread(runs.map(learningOf)), 2),
      ...sets.map(([set]) => number(spread(runs.map(run => run.forgetting[set]!.value)), 3)),
      ...sets.filter(([, set]) => set.accuracy).map(([set]) => accuracyCell(runs, set)),
      number(spread(runs.map(run => Number(run.kl.train))), 2),
      `${(100 * (first.trainedShare ?? 1)).toFixed(1)} %`,
      `${(average(runs.map(run => run.tokens)) / 1000).toFixed(0)} k`,
      average(runs.map(run => run.seconds)).toFixed(0),
      (average(runs.map(run => run.peakMemoryBytes ?? Number.NaN)) / 1e6).toFixed(0),
      counted(runs.map(run => run.verdict ?? 'none')),
    ];
  });
  const head = [
    'arm',
    'learning',
    ...sets.map(([name]) => `${name}, nats`),
    ...sets.filter(([, set]) => set.accuracy).map(([name]) => `${name}, points (lost/gained)`),
    'KL on task',
    'trained',
    'tokens',
    'seconds',
    'MB',
    'verdicts',
  ];
  return table(head, rows);
}

function accuracyCell(runs: RunResult[], set: string): string {
  const accuracies = runs.map(run => run.forgetting[set]!.accuracy!);
  const flips = `${average(accuracies.map(a => a.lost)).toFixed(0)}/${average(accuracies.map(a => a.gained)).toFixed(0)}`;
  return `${number(spread(accuracies.map(accuracy => accuracy.drop)), 1)} (${flips})`;
}

/** For each seed, the arm's run and plain's run in each example. */
function bySeed(results: Results, arm: string): [RunResult, RunResult][][] {
  const examples = Object.values(results);
  const seeds = examples[0]!.plain!.length;
  return Array.from({ length: seeds }, (_, seed) =>
    examples.map(example => [example[arm]![seed]!, example.plain![seed]!]),
  );
}

function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n');
}

function number({ mean, low, high }: Spread, digits: number): string {
  return `${mean.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}

function percent({ mean, low, high }: Spread, digits = 0): string {
  const round = (share: number) => (100 * share).toFixed(digits);
  return `${round(mean)} % [${round(low)}, ${round(high)}]`;
}

function counted(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
