/** All that a run's numbers are, and in what two runs differ. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadRun } from '../../src/runs/loadRun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';

export interface Outcome {
  losses: (number | null)[];
  /** As text, to be compared. */
  evaluations: string;
  /** sha256 of the result's weights. */
  weights: string;
}

export async function outcomeOf(run: RunFolder): Promise<Outcome> {
  const { state } = await loadRun(run);
  return {
    losses: state.series.get('loss')?.since(0).values ?? [],
    evaluations: JSON.stringify(state.evaluations),
    weights: createHash('sha256')
      .update(readFileSync(join(run.model, 'model.safetensors')))
      .digest('hex'),
  };
}

/** In words; `null` when there is none. */
export function firstDifference(found: Outcome, expected: Outcome): string | null {
  const step = expected.losses.findIndex((loss, index) => !Object.is(loss, found.losses[index]));
  if (step >= 0) return `the loss of step ${step + 1} is ${found.losses[step]}, undisturbed ${expected.losses[step]}`;
  if (found.losses.length !== expected.losses.length) return `${found.losses.length} steps on the curve`;
  if (found.evaluations !== expected.evaluations) return 'the evaluations differ';
  if (found.weights !== expected.weights) return `the final weights differ: ${found.weights.slice(0, 12)}…`;
  return null;
}
