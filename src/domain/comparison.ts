/**
 * Several runs side by side: which of them may be compared, where they stand between learning and forgetting, what
 * was set differently. Knows no files and draws nothing.
 */
import type { ComparisonView, RunView } from '../protocol/panel.ts';
import type { SetResult } from '../protocol/result.ts';
import { inEnglish, type Translate } from './words.ts';

type PlanePoint = ComparisonView['plane'][number];
type Interval = PlanePoint['forgetting'];

export function compareRuns(runs: RunView[], t: Translate = inEnglish): ComparisonView {
  const labels = runLabels(runs);
  const reference = referenceOf(runs);
  const comparable = runs.filter(run => reference && run.result?.comparison === reference.result?.comparison);
  const budgets = budgetsOf(comparable);
  const plane = markFront(comparable.flatMap(run => planePoints(run, budgets)));
  const refusals = runs.flatMap(run => {
    const reason = comparable.includes(run) ? unmeasured(run, t) : refusal(run, reference, t);
    return reason ? [t('{0}: {1}', labels[run.id] ?? run.id, reason)] : [];
  });
  return { runs, refusals, plane, budgets, differing: differingSettings(runs) };
}

/** The shortest names that tell the runs apart: the variant, with the name where names differ, with the id at need. */
export function runLabels(runs: readonly Pick<RunView, 'id' | 'name' | 'variant'>[]): Record<string, string> {
  const isOneName = new Set(runs.map(({ name }) => name)).size === 1;
  const short = (run: (typeof runs)[number]): string => (isOneName ? run.variant : `${run.name} · ${run.variant}`);
  const counts = new Map<string, number>();
  for (const run of runs) counts.set(short(run), (counts.get(short(run)) ?? 0) + 1);
  return Object.fromEntries(
    runs.map(run => [run.id, counts.get(short(run)) === 1 ? short(run) : `${short(run)} (${run.id.slice(-4)})`]),
  );
}

/** The first run of the largest group that was measured the same way. */
function referenceOf(runs: readonly RunView[]): RunView | undefined {
  const sizes = new Map<string, number>();
  for (const { result } of runs)
    if (result?.comparison) sizes.set(result.comparison, (sizes.get(result.comparison) ?? 0) + 1);
  const measured = runs.filter(({ result }) => result?.comparison);
  const largest = Math.max(0, ...sizes.values());
  return measured.find(({ result }) => sizes.get(result!.comparison!) === largest);
}

function unmeasured({ result, evaluation, status }: RunView, t: Translate): string | undefined {
  if (evaluation === null) return t('not measured yet ({0})', status);
  if (Object.keys(result?.learning ?? {}).length === 0)
    return t('it has no data.eval, so nothing says what it learned');
  if (Object.keys(result?.forgetting ?? {}).length === 0)
    return t('it has no probe set, so nothing says what it forgot');
  return undefined;
}

/** Numbers measured in different ways are not put into one picture; this says in which way they differ. */
function refusal(run: RunView, reference: RunView | undefined, t: Translate): string {
  const [own, other] = [run.prepared?.fingerprints, reference?.prepared?.fingerprints];
  if (!own || !other) return t('not measured yet ({0})', run.status);
  const reasons: string[] = [];
  if (own.model !== other.model || run.settings['retain.base'] !== reference?.settings['retain.base'])
    reasons.push(t('it is measured against another base model'));
  const packed = [run, reference].map(isBaseIn4bit);
  if (packed[0] && !packed[1]) reasons.push(t('its base is held in 4 bits (adapter.load_in_4bit)'));
  if (packed[1] && !packed[0]) reasons.push(t('the base of the others is held in 4 bits (adapter.load_in_4bit)'));
  if (own.tokenizer !== other.tokenizer) reasons.push(t('its tokenizer is another one'));
  for (const set of new Set([...Object.keys(own.probes), ...Object.keys(other.probes)])) {
    const [mine, theirs] = [own.probes[set], other.probes[set]];
    if (mine === undefined) reasons.push(t('it lacks the probe set {0}', set));
    else if (theirs === undefined) reasons.push(t('it has a probe set {0} that the others lack', set));
    else if (mine !== theirs) reasons.push(t('its probe set {0} holds other items', set));
  }
  const lengths = [run, reference].map(each => each?.settings['train.max_length']);
  if (lengths[0] !== lengths[1])
    reasons.push(t('texts are cut at another length (train.max_length {0})', lengths[0] ?? '?'));
  if (reasons.length === 0) reasons.push(t('it was scored by another version or with another template'));
  return t('not compared with the others: {0}', reasons.join('; '));
}

/** Rounded, the model is another base than the whole one; a base of its own is measured as it is stored. */
function isBaseIn4bit(run: RunView | undefined): boolean {
  return run?.settings['adapter.load_in_4bit'] === 'true' && run.settings['retain.base'] === run.settings.model;
}

/** A set's axis is in the unit of its budget. */
function budgetsOf(runs: readonly RunView[]): ComparisonView['budgets'] {
  const budgets: ComparisonView['budgets'] = {};
  for (const { result } of runs) {
    for (const [set, { budget, unit }] of Object.entries(result?.forgetting ?? {})) {
      if (!budget || Object.hasOwn(budgets, set)) continue;
      budgets[set] = 'nats' in budget ? { value: budget.nats, unit } : { value: budget.points, unit: 'points' };
    }
  }
  return budgets;
}

function planePoints(run: RunView, budgets: ComparisonView['budgets']): PlanePoint[] {
  const learning = learningOf(run);
  if (!learning || !run.result) return [];
  return Object.entries(run.result.forgetting).map(([set, score]) => {
    const isPoints = budgets[set]?.unit === 'points' && score.accuracy !== undefined;
    return {
      run: run.id,
      set,
      learning,
      forgetting: forgettingIn(score, isPoints),
      unit: isPoints ? 'points' : score.unit,
      onFront: false,
    };
  });
}

function forgettingIn({ value, low, high, accuracy }: SetResult, isPoints: boolean): Interval {
  return isPoints && accuracy ? { value: accuracy.drop, low: accuracy.low, high: accuracy.high } : { value, low, high };
}

/** Learning on `data.eval`; of several sets, the first by name. */
export function learningOf({ result }: Pick<RunView, 'result'>): Interval | undefined {
  const [first] = Object.entries(result?.learning ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return first && { value: first[1].value, low: first[1].low, high: first[1].high };
}

/** On the front: no other run of the same set learned at least as much and forgot at most as much. */
export function markFront(points: PlanePoint[]): PlanePoint[] {
  const beats = (a: PlanePoint, b: PlanePoint): boolean => {
    const [more, less] = [a.learning.value - b.learning.value, b.forgetting.value - a.forgetting.value];
    return more >= 0 && less >= 0 && (more > 0 || less > 0);
  };
  return points.map(point => ({
    ...point,
    onFront: !points.some(other => other.set === point.set && other.unit === point.unit && beats(other, point)),
  }));
}

/** Settings that are not the same in all runs; a run's name is not a setting. */
export function differingSettings(runs: readonly Pick<RunView, 'id' | 'settings'>[]): ComparisonView['differing'] {
  const keys = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))].filter(key => key !== 'name').sort();
  const differing = keys.filter(key => new Set(runs.map(({ settings }) => settings[key])).size > 1);
  return Object.fromEntries(
    differing.map(key => [key, Object.fromEntries(runs.map(({ id, settings }) => [id, settings[key] ?? '']))]),
  );
}

export interface Delta {
  value: number;
  /** Larger than the two intervals together explain; careful, because both were measured on the same items. */
  beyondNoise: boolean;
}

export function deltaBetween(a: Interval, b: Interval): Delta {
  const half = (interval: Interval): number => (interval.high - interval.low) / 2;
  const value = a.value - b.value;
  return { value, beyondNoise: Math.abs(value) > Math.hypot(half(a), half(b)) };
}
