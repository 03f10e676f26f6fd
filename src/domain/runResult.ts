/** The result of a run as the command line prints it: documented in docs/cli.md. Made from what the journal told. */
import type { ErrorReport, RunResult, RunStatus, SetResult } from '../protocol/result.ts';
import type { Estimate, EvaluatedEvent, SetScore } from '../protocol/trainer.ts';
import type { Redone } from './redone.ts';
import type { RunState } from './runState.ts';
import { worstVerdict } from './statistics.ts';

export function runResult(state: RunState, status: RunStatus): RunResult {
  const { identity, prepared, finished, series, redone } = state;
  const { id, folder, name, recipe, variant } = identity;
  const last = state.evaluations.newest;
  const forgetting = mapValues(last?.forgetting ?? {}, setResult);
  const error = errorOf(state, status);
  const loss = series.get('loss');
  return {
    id,
    folder,
    name,
    recipe,
    variant,
    status,
    steps: state.step,
    seconds: finished?.seconds ?? elapsed(state),
    tokens: finished?.tokens ?? series.get('tokens')?.total ?? 0,
    trainedShare: prepared?.trainedShare ?? null,
    tokensPerSecond: median(state, 'tokensPerSecond'),
    peakMemoryBytes: finished?.peakMemoryBytes ?? state.peakMemoryBytes,
    loss: { first: loss?.first ?? null, last: loss?.last ?? null },
    learning: mapValues(last?.learning ?? {}, estimate),
    forgetting,
    kl: klOf(last),
    verdict: worstVerdict(Object.values(forgetting).map(({ verdict }) => verdict)),
    stepZero: stepZeroOf(state),
    runtime: prepared?.runtime ?? null,
    comparison: prepared?.fingerprints.comparison ?? null,
    ...(redone && { resumed: resumedOf(redone) }),
    ...(identity.parent && { parent: identity.parent }),
    warnings: warningsOf(state),
    ...(status === 'stopped' && state.brokenRule && { stopRule: state.brokenRule }),
    ...(error && { error }),
  };
}

const estimate = ({ value, low, high, unit, items, method }: Estimate): Estimate => ({
  value,
  low,
  high,
  unit,
  items,
  ...(method && { method }),
});

function setResult(score: SetScore): SetResult {
  const { replayed, accuracy, budget, verdict, itemsNeeded } = score;
  return {
    ...estimate(score),
    replayed,
    ...(accuracy && { accuracy }),
    ...(budget && { budget }),
    ...(verdict && { verdict }),
    ...(itemsNeeded !== undefined && { itemsNeeded }),
  };
}

const resumedOf = ({ attempt, fromStep, checkpoint, steps, largest }: Redone): RunResult['resumed'] => ({
  attempt,
  fromStep,
  checkpoint,
  redoneSteps: steps,
  largestDifference: Number.isFinite(largest) ? largest : null,
});

const klOf = (last: Pick<EvaluatedEvent, 'kl'> | null): RunResult['kl'] =>
  last ? { ...last.kl, direction: 'KL(base || tuned)' } : {};

function stepZeroOf({ stepZero }: RunState): RunResult['stepZero'] {
  if (!stepZero) return null;
  return { ok: stepZero.ok, checks: mapValues(stepZero.checks, check => check?.status) };
}

function warningsOf({ prepared, series, gaps, unheard, evaluations }: RunState): string[] {
  const warnings = [...(prepared?.warnings ?? [])];
  const loss = series.get('loss');
  if (loss && loss.nonFinite > 0)
    warnings.push(`The loss was not finite at ${loss.nonFinite} of ${loss.length} steps.`);
  for (const { from, to } of unheard) {
    warnings.push(`The curve lacks steps ${from} to ${to}: they were trained while the runner was gone.`);
  }
  if (gaps > 0) warnings.push(`The journal lacks ${gaps} records; numbers may be incomplete.`);
  if (evaluations.newest?.final === false)
    warnings.push('The numbers come from the subset scored during the run, not from all items.');
  return warnings;
}

/** What went wrong: the trainer's own words, else how its process ended. */
function errorOf({ failure, exit }: RunState, status: RunStatus): ErrorReport | undefined {
  if (status !== 'failed' && status !== 'lost') return undefined;
  if (failure) return failure;
  const code = status === 'lost' ? 'run-lost' : 'trainer-died';
  const words = exit?.stderr.filter(line => line.trim() !== '').at(-1);
  if (!exit) return { code, message: status === 'lost' ? 'The run ended without a word.' : 'The trainer ended early.' };
  return { code, message: words ? `${exit.reason} (${words.trim()})` : exit.reason };
}

const elapsed = ({ startedAt, seenAt }: RunState): number =>
  startedAt === null || seenAt === null ? 0 : (seenAt - startedAt) / 1000;

/** Of the latest steps: a view asks for it at every frame. */
function median({ series }: RunState, name: string): number | null {
  const found = series.get(name);
  const values = found?.since(found.length - 501).values.filter(value => value !== null) ?? [];
  return values.sort((a, b) => a - b)[values.length >> 1] ?? null;
}

function mapValues<V, W>(record: Record<string, V>, map: (value: V) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
