/**
 * What is known of a run: a fold of its journal, one record after the other, the same in editor, command line and tests.
 * Knows no files and no clock; whether the run still lives is told by whoever looks at its process.
 */
import type { JournalRecord } from '../protocol/journal.ts';
import type { RunView } from '../protocol/panel.ts';
import type { ErrorReport, RunResult, RunStatus } from '../protocol/result.ts';
import type { EvaluatedEvent, PreparedEvent, SampleEvent, SeriesEvent, StepEvent } from '../protocol/trainer.ts';
import { intervalEnds } from './estimates.ts';
import { type Evaluation, Evaluations, type EvaluationsSnapshot } from './evaluations.ts';
import { MetricSeries, type SeriesSnapshot } from './metricSeries.ts';
import { addRedone, type Redone, redoneText } from './redone.ts';
import { runResult } from './runResult.ts';
import { lossUnit } from './scores.ts';
import { type Interval, worstVerdict } from './statistics.ts';
import { StepClock, type Tick } from './stepClock.ts';
import { inEnglish, setSentence, statusText, type Translate, verdictNote } from './words.ts';

/** What `run.json` says: told once. */
export interface RunIdentity {
  id: string;
  folder: string;
  name: string;
  /** As people know it: a file name or a path. */
  recipe: string;
  variant: string;
  /** Flattened resolved recipe. */
  settings: Record<string, string>;
  /** The run it was forked from, and at which step. */
  parent?: { run: string; step: number };
}

/** What only the machine knows. */
export interface RunSituation {
  status: RunStatus;
  reason?: string;
  colour?: number;
  logTail?: string[];
  translate?: Translate;
}

/** Series of what older attempts did beyond the step at which a later one took up. */
const earlierPrefix = 'earlier/';
/** Counters, speed and schedule are not worth a branch. */
const branching: ReadonlySet<SeriesEvent['lane']> = new Set(['loss', 'kl', 'forgetting', 'gradientNorm']);

type Untyped<T> = Omit<T, 'type'>;

/** Plain data that a structured clone takes. */
export interface RunSnapshot {
  told: object;
  ticks: readonly Tick[];
  declared: RunView['catalogue'];
  nextSeq: number | null;
  series: [string, SeriesSnapshot][];
  evaluations: EvaluationsSnapshot;
}

export class RunState {
  readonly identity: RunIdentity;
  /** Also the ends of intervals, see `intervalEnds`, and what older attempts did. */
  readonly series = new Map<string, MetricSeries>();
  readonly evaluations: Evaluations;

  attempt = 1;
  step = 0;
  steps: number | null = null;
  progress: RunView['progress'] = null;
  startedAt: number | null = null;
  /** Last record's time. */
  seenAt: number | null = null;
  trainer: RunView['trainer'] = null;
  prepared: RunView['prepared'] = null;
  stepZero: RunView['stepZero'] = null;
  samples: RunView['samples'] = [];
  marks: RunView['marks'] = [];
  finished: { reason: string; step: number; seconds: number; tokens: number; peakMemoryBytes: number } | null = null;
  failure: ErrorReport | null = null;
  /** The stop rule that ended this attempt. */
  brokenRule: string | null = null;
  exit: { code: number | null; signal: string | null; reason: string; stderr: string[] } | null = null;
  peakMemoryBytes: number | null = null;
  /** Where the present attempt took up, and whether what it did again came out the same. */
  redone: Redone | null = null;
  /** Records that the journal lacks. */
  gaps = 0;
  /** Steps that were trained and saved when nobody listened: the curve has no points there. */
  unheard: { from: number; to: number }[] = [];
  #clock = new StepClock();
  readonly #declared = new Map<string, RunView['catalogue'][number]>();
  #catalogue: RunView['catalogue'] | null = [];
  #nextSeq: number | null = null;

  constructor(identity: RunIdentity, evaluations = new Evaluations()) {
    this.identity = identity;
    this.evaluations = evaluations;
  }

  static restore(identity: RunIdentity, snapshot: RunSnapshot): RunState {
    const { told, ticks, declared, nextSeq, series, evaluations } = snapshot;
    const state = Object.assign(new RunState(identity, Evaluations.restore(evaluations)), told);
    state.#clock = new StepClock(ticks);
    for (const entry of declared) state.#declare(entry);
    state.#nextSeq = nextSeq;
    for (const [name, points] of series) state.series.set(name, MetricSeries.restore(points));
    return state;
  }

  /** All that was folded so far; folding on does not change it. */
  snapshot(): RunSnapshot {
    const { identity: _, series, evaluations, ...told } = this;
    return {
      told,
      ticks: [...this.#clock.ticks],
      declared: this.catalogue,
      nextSeq: this.#nextSeq,
      series: snapshots(series),
      evaluations: evaluations.snapshot(),
    };
  }

  /** The same array until a series comes. */
  get catalogue(): RunView['catalogue'] {
    this.#catalogue ??= [...this.#declared.values()];
    return this.#catalogue;
  }

  /** A fork's curve begins with its parent's; `null` when the parent is gone. */
  inherit(parent: RunState | null, step: number): void {
    for (const entry of parent?.catalogue ?? []) if (!entry.earlier) this.#declare(entry);
    for (const [name, series] of parent?.series ?? []) {
      if (!name.startsWith(earlierPrefix)) this.#seriesOf(name).addAll(series.upTo(step));
    }
    const before = (at: { step: number }): boolean => at.step <= step;
    if (parent) this.evaluations.addAll(parent.evaluations, step);
    this.samples = parent?.samples.filter(before) ?? [];
    this.marks = parent?.marks.filter(before) ?? [];
    this.step = step;
  }

  /** Returns the parts of the view that changed. */
  apply(record: JournalRecord): (keyof RunView)[] {
    if (this.#nextSeq !== null && record.seq > this.#nextSeq) this.gaps += record.seq - this.#nextSeq;
    this.#nextSeq = Math.max(this.#nextSeq ?? 0, record.seq + 1);
    if (record.attempt < this.attempt) return [];
    this.#begin(record);
    return this.#take(record);
  }

  view(situation: RunSituation): RunView {
    const { status, reason, colour = 0, logTail = [], translate = inEnglish } = situation;
    const { step, steps, prepared, stepZero, catalogue, samples, marks, startedAt } = this;
    const { folder: _, parent, ...identity } = this.identity;
    const isLive = status === 'running' || status === 'paused' || status === 'stale';
    const progress = isLive ? this.progress : null;
    const result = this.result(status);
    return {
      ...identity,
      status,
      statusText: statusText(
        { status, reason: reason || result.error?.message, step, steps, progress, verdict: result.verdict },
        translate,
      ),
      verdict: this.#verdict(translate),
      step,
      steps,
      progress,
      secondsLeft: status === 'running' ? this.#clock.secondsLeft(step, steps) : null,
      startedAt,
      colour,
      catalogue,
      evaluation: this.evaluations.newest,
      samples,
      marks,
      resumed: this.redone && { fromStep: this.redone.fromStep, text: redoneText(this.redone, translate) },
      parent: parent ?? null,
      trainer: this.trainer,
      prepared,
      stepZero,
      logTail,
      result: status === 'queued' ? null : result,
      error: result.error ?? null,
    };
  }

  result(status: RunStatus): RunResult {
    return runResult(this, status);
  }

  #begin({ attempt, t }: JournalRecord): void {
    if (attempt > this.attempt) {
      this.attempt = attempt;
      this.finished = null;
      this.failure = null;
      this.brokenRule = null;
      this.exit = null;
      this.#clock.restart();
    }
    this.startedAt ??= t;
    this.seenAt = t;
  }

  #take(record: JournalRecord): (keyof RunView)[] {
    switch (record.type) {
      case 'prepared':
        this.prepared = untyped<PreparedEvent>(record);
        this.steps = record.steps;
        return ['prepared', 'steps'];
      case 'checked':
        this.stepZero = { ok: record.ok, checks: record.checks };
        return ['stepZero'];
      case 'series':
        this.#declare(record);
        return ['catalogue'];
      case 'progress':
        this.progress = { phase: record.phase, fraction: record.fraction };
        return ['progress', 'statusText'];
      case 'step':
        return this.#stepped(record, record.t);
      case 'evaluated':
        return this.#evaluated(untyped<EvaluatedEvent>(record));
      case 'sample':
        this.samples = [
          ...this.samples.filter(old => old.step !== record.step || old.index !== record.index),
          untyped<SampleEvent>(record),
        ];
        return ['samples'];
      case 'checkpointed':
        return this.#mark(record.step, 'checkpoint', record.folder);
      case 'stopRule':
        this.brokenRule = record.rule;
        return this.#mark(record.step, 'stopRule', record.rule);
      case 'resumed':
        return this.#rewind(record.fromStep, record.checkpoint, record.attempt);
      case 'finished':
        this.finished = record;
        this.step = Math.max(this.step, record.step);
        this.progress = null;
        return ['result', 'step', 'progress', 'statusText'];
      case 'failed':
        this.failure = withoutUndefined({
          code: record.code,
          message: record.message,
          file: record.file,
          line: record.line,
          remedy: record.remedy,
        });
        return ['result', 'error', 'statusText'];
      case 'exited':
        this.exit = { code: record.code, signal: record.signal, reason: record.reason, stderr: record.stderr };
        this.progress = null;
        return ['result', 'error', 'status', 'statusText', 'progress'];
      case 'resources':
        this.peakMemoryBytes = Math.max(this.peakMemoryBytes ?? 0, record.metrics.memoryBytes ?? 0) || null;
        return [];
      case 'hello':
      case 'waiting':
      case 'alive':
      case 'firstBatch':
      case 'estimate':
      case 'handled':
        return [];
      case 'launched':
        this.trainer = record.reason;
        return ['trainer'];
      default:
        return record satisfies never;
    }
  }

  #stepped({ step, metrics }: StepEvent, t: number): (keyof RunView)[] {
    this.step = step;
    this.progress = null;
    this.#compare(step, metrics.loss);
    this.#clock.tick(step, t);
    let isNew = false;
    for (const [name, value] of Object.entries(metrics)) {
      if (!this.#declared.has(name)) {
        this.#declare(undeclared(name));
        isNew = true;
      }
      this.#seriesOf(name).append(step, value);
    }
    return isNew
      ? ['step', 'statusText', 'progress', 'secondsLeft', 'catalogue']
      : ['step', 'statusText', 'progress', 'secondsLeft'];
  }

  /** Evaluations are series too: forgetting and KL by set, and the loss on held-out task rows. */
  #evaluated(event: Evaluation): (keyof RunView)[] {
    this.evaluations.add(event);
    const points: [string, SeriesEvent['lane'], number | null][] = [
      ...Object.entries(event.forgetting).map(
        ([set, { value }]) => [`forgetting.${set}`, 'forgetting', value] as [string, 'forgetting', number],
      ),
      ...Object.entries(event.learning).map(
        ([name, { value }]) => [`learning.${name}`, 'other', value] as [string, 'other', number],
      ),
      ...Object.entries(event.learning).map(
        ([name, { tuned }]) => [`loss.${name}`, 'loss', tuned] as [string, 'loss', number],
      ),
      ...Object.entries(event.kl).map(([name, value]) => [`kl.${name}`, 'kl', value] as [string, 'kl', number | null]),
    ];
    for (const [name, lane, value] of points) {
      if (!this.#declared.has(name)) this.#declare({ name, unit: lossUnit, lane });
      this.#seriesOf(name).append(event.step, value);
    }
    this.#takeIntervals('forgetting', event.step, event.forgetting);
    this.#takeIntervals('learning', event.step, event.learning);
    return ['evaluation', 'catalogue', 'verdict', 'result'];
  }

  #takeIntervals(kind: string, step: number, scores: Record<string, Interval>): void {
    for (const [set, interval] of Object.entries(scores)) {
      const [low, high] = intervalEnds(`${kind}.${set}`);
      this.#seriesOf(low).append(step, interval.low);
      this.#seriesOf(high).append(step, interval.high);
    }
  }

  #mark(step: number, kind: RunView['marks'][number]['kind'], text: string): (keyof RunView)[] {
    this.marks = [...this.marks, { step, kind, text }];
    return ['marks'];
  }

  /** What an older attempt did after the checkpoint did not happen in the run's history: it stays as a faint branch. */
  #rewind(fromStep: number, checkpoint: string, attempt: number): (keyof RunView)[] {
    for (const [name, series] of [...this.series]) {
      if (name.startsWith(earlierPrefix)) continue;
      const tail = series.cutAfter(fromStep);
      const entry = this.#declared.get(name);
      if (tail.steps.length === 0 || !entry || !(name === 'loss' || branching.has(entry.lane))) continue;
      this.#declare({ ...entry, name: `${earlierPrefix}${name}`, earlier: true });
      this.#seriesOf(`${earlierPrefix}${name}`).addAll(tail);
    }
    const before = ({ step }: { step: number }): boolean => step <= fromStep;
    this.evaluations.cutAfter(fromStep);
    this.samples = this.samples.filter(before);
    this.marks = this.marks.filter(before);
    this.unheard = this.unheard.filter(({ from }) => from <= fromStep);
    if (fromStep > this.step) this.unheard = [...this.unheard, { from: this.step + 1, to: fromStep }];
    this.step = fromStep;
    this.redone = { attempt, fromStep, checkpoint, steps: 0, largest: 0, firstAt: null };
    this.#mark(fromStep, 'resumed', checkpoint);
    return ['step', 'catalogue', 'evaluation', 'samples', 'marks', 'verdict', 'result', 'statusText', 'resumed'];
  }

  /** Each step that is done again is held beside what came of it before. */
  #compare(step: number, loss: number | null | undefined): void {
    const before = this.series.get(`${earlierPrefix}loss`)?.valueAt(step);
    if (!this.redone || before === undefined || loss === undefined || step <= this.redone.fromStep) return;
    this.redone = addRedone(this.redone, step, before, loss);
  }

  #declare({ name, label, unit, lane, earlier }: RunView['catalogue'][number]): void {
    this.#declared.set(name, { name, ...(label && { label }), unit, lane, ...(earlier && { earlier }) });
    this.#catalogue = null;
  }

  #seriesOf(name: string): MetricSeries {
    const series = this.series.get(name) ?? new MetricSeries();
    this.series.set(name, series);
    return series;
  }

  #verdict(t: Translate): RunView['verdict'] {
    const last = this.evaluations.newest;
    if (!last) return { overall: null, lines: [], note: '' };
    const sets = Object.entries(last.forgetting);
    if (sets.length === 0)
      return { overall: null, lines: [], note: t('No probe set: nothing watches for forgetting.') };
    const lines = sets.map(([set, score]) => ({
      set,
      verdict: score.verdict ?? null,
      text: setSentence(set, score, t),
    }));
    const items = Math.max(...sets.map(([, score]) => score.items));
    return {
      overall: worstVerdict(lines.map(({ verdict }) => verdict)),
      lines,
      note: verdictNote(last.final, items, t),
    };
  }
}

/** A metric that no `series` event declared is shown all the same. */
const undeclared = (name: string): Omit<SeriesEvent, 'type'> => ({ name, unit: '', lane: 'other' });

function untyped<T>(record: JournalRecord): Untyped<T> {
  const { v: _v, attempt: _a, seq: _s, t: _t, type: _type, ...event } = record;
  return event as Untyped<T>;
}

/** Most series have the same steps, and a structured clone keeps an array that it meets again once. */
function snapshots(series: ReadonlyMap<string, MetricSeries>): RunSnapshot['series'] {
  const known = new Set<SeriesSnapshot['steps']>();
  return [...series].map(([name, points]) => {
    const snapshot = points.snapshot([...known]);
    known.add(snapshot.steps);
    return [name, snapshot];
  });
}

const withoutUndefined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T;
