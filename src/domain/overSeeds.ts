/**
 * Runs that differ in nothing but their seed, taken together: mean and range of what they learned and forgot, and how
 * many kept their budgets. Knows nothing of how runs are shown.
 */
import type { RunResult, SetResult } from '../protocol/result.ts';

export interface Spread {
  mean: number;
  min: number;
  max: number;
}

export interface OverSeeds {
  /** The name of its runs without the seed; empty when nothing else differs. */
  label: string;
  seeds: number;
  /** Runs that did not train to their end say nothing here. */
  unfinished: number;
  learning: Record<string, Spread>;
  /** In the unit of the budget: points of accuracy, or nats per token. */
  forgetting: Record<string, Spread & { inPoints: boolean }>;
  kept: number;
}

export interface SeedRun {
  result: RunResult;
  /** Flattened, as a run's page shows them. */
  settings: Record<string, string>;
}

/** Empty when no two runs that trained to their end share all settings but the seed. */
export function overSeeds(runs: readonly SeedRun[]): OverSeeds[] {
  const groups = new Map<string, SeedRun[]>();
  for (const run of runs) {
    const key = settingsButSeed(run.settings);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map(group => together(group.map(({ result }) => result))).filter(hasSpread);
}

const hasSpread = ({ seeds, unfinished }: OverSeeds): boolean => seeds - unfinished > 1;

function settingsButSeed(settings: Record<string, string>): string {
  const { 'train.seed': _, variant: __, name: ___, ...rest } = settings;
  return JSON.stringify(Object.entries(rest).sort());
}

function together(all: readonly RunResult[]): OverSeeds {
  const results = all.filter(({ status }) => status === 'finished');
  const sets = [...new Set(results.flatMap(({ forgetting }) => Object.keys(forgetting)))];
  const learned = [...new Set(results.flatMap(({ learning }) => Object.keys(learning)))];
  return {
    label: (all[0]?.variant ?? '').replace(/(^| )(train\.)?seed=\d+/, '').trim(),
    seeds: all.length,
    unfinished: all.length - results.length,
    learning: Object.fromEntries(
      learned.map(name => [name, spread(results.flatMap(({ learning }) => learning[name]?.value ?? []))]),
    ),
    forgetting: Object.fromEntries(
      sets.map(name => [name, forgettingOf(results.flatMap(run => run.forgetting[name] ?? []))]),
    ),
    kept: results.filter(({ verdict }) => verdict === 'kept').length,
  };
}

function forgettingOf(scores: readonly SetResult[]): Spread & { inPoints: boolean } {
  const inPoints = scores.every(({ budget, accuracy }) => budget && 'points' in budget && accuracy);
  return { ...spread(scores.map(({ value, accuracy }) => (inPoints ? accuracy!.drop : value))), inPoints };
}

function spread(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, min: Math.min(...values), max: Math.max(...values) };
}
