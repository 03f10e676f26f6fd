/** All that a run's numbers are, and in what two runs differ. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadRun } from '../../src/runs/loadRun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';

export interface Outcome {
  /** By step. */
  losses: Map<number, number | null>;
  /** By step, as text. */
  evaluations: Map<number, string>;
  /** sha256 of the result's weights. */
  weights: string;
  /** Steps that the run says its curve lacks. */
  missing: { from: number; to: number }[];
}

export async function outcomeOf(run: RunFolder): Promise<Outcome> {
  const { state, result } = await loadRun(run);
  const { steps, values } = state.series.get('loss')?.since(0) ?? { steps: [], values: [] };
  return {
    losses: new Map(steps.map((step, index) => [step, values[index] ?? null])),
    evaluations: new Map(state.evaluations.all().map(evaluation => [evaluation.step, JSON.stringify(evaluation)])),
    weights: createHash('sha256')
      .update(readFileSync(join(run.model, 'model.safetensors')))
      .digest('hex'),
    missing: result.warnings.flatMap(stepsNamedIn),
  };
}

/** In words; `null` when there is none but what the run tells of itself. */
export function firstDifference(found: Outcome, expected: Outcome): string | null {
  if (found.weights !== expected.weights) return `the final weights differ: ${found.weights.slice(0, 12)}…`;
  const isToldOf = (step: number): boolean => found.missing.some(({ from, to }) => step >= from && step <= to);
  for (const name of ['losses', 'evaluations'] as const) {
    for (const [step, value] of expected[name]) {
      const other = found[name].get(step);
      if (other === undefined ? isToldOf(step) : Object.is(other, value)) continue;
      return `${name} of step ${step}: ${other}, undisturbed ${value}`;
    }
    for (const step of found[name].keys()) if (!expected[name].has(step)) return `${name} of step ${step} is too much`;
  }
  return null;
}

function stepsNamedIn(warning: string): { from: number; to: number }[] {
  const [, from, to] = /lacks steps (\d+) to (\d+)/.exec(warning) ?? [];
  return from && to ? [{ from: Number(from), to: Number(to) }] : [];
}
