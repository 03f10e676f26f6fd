/**
 * Judges a recipe's stop rules on what a trainer reports: which rule has now held for as long as it asks. Knows nothing
 * of how a run is stopped.
 */
import type { EvaluatedEvent, StepEvent, TrainerEvent } from '../protocol/trainer.ts';
import { type Comparison, parseStopRule, type StopRule } from '../recipe/stopRule.ts';

export interface BrokenRule {
  rule: string;
  step: number;
  /** What was measured: "forgetting.general 0.081". */
  seen: string;
}

/** 'the rule "loss > 5" was broken at step 12 (loss 6.25)' */
export const brokenRuleWords = ({ rule, step, seen }: BrokenRule): string =>
  `the rule "${rule}" was broken at step ${step} (${seen})`;

export class StopRules {
  readonly #streaks: Streak[];

  /** Texts that are no rules are passed over: the recipe's checks have refused them. */
  constructor(texts: readonly string[] = []) {
    this.#streaks = texts.flatMap(text => {
      const parsed = parseStopRule(text);
      return 'rule' in parsed ? [new Streak(parsed.rule)] : [];
    });
  }

  /** The first rule that this breaks. The evaluation at the end stops nothing any more. */
  judge(event: TrainerEvent | { type: string }): BrokenRule | null {
    if (this.#streaks.length === 0 || !isMeasurement(event)) return null;
    let broken: BrokenRule | null = null;
    for (const streak of this.#streaks) {
      const seen = streak.take(event);
      if (seen !== null) broken ??= { rule: streak.rule.text, step: event.step, seen };
    }
    return broken;
  }

  /** What came after this step did not happen: an attempt takes up here. */
  rewind(step: number): void {
    for (const streak of this.#streaks) streak.rewind(step);
  }
}

type Measurement = StepEvent | EvaluatedEvent;

const isMeasurement = (event: { type: string }): event is Measurement =>
  event.type === 'step' || (event.type === 'evaluated' && !(event as EvaluatedEvent).final);

/** How often in a row one rule has held, with its past, so that it can be taken back to a step. */
class Streak {
  readonly rule: StopRule;
  /** Only changes: lengths while it holds, one zero when it ends. */
  readonly #past: { step: number; length: number }[] = [];

  constructor(rule: StopRule) {
    this.rule = rule;
  }

  /** What was seen, when the rule has held often enough; it then begins anew. */
  take(event: Measurement): string | null {
    if ((event.type === 'step') !== (this.rule.at === 'steps')) return null;
    const values = valuesOf(this.rule.metric, event);
    if (values.length === 0) return null;
    // Steps that are done again replace what they were.
    this.rewind(event.step - 1);
    const found = values.find(value => holds(this.rule, value));
    const length = found ? this.#length + 1 : 0;
    const isBroken = found !== undefined && length >= this.rule.times;
    if (length > 0 || this.#length > 0) this.#past.push({ step: event.step, length: isBroken ? 0 : length });
    return isBroken ? `${found.name} ${wordOf(found)}` : null;
  }

  rewind(step: number): void {
    while (this.#past.length > 0 && this.#past.at(-1)!.step > step) this.#past.pop();
  }

  get #length(): number {
    return this.#past.at(-1)?.length ?? 0;
  }
}

interface Value {
  name: string;
  /** NaN and the infinities as themselves. */
  number: number;
  verdict?: string;
}

/** What the event tells of a metric; of one without a set's name, all sets. Empty: it was not measured. */
function valuesOf(metric: string, event: Measurement): Value[] {
  if (event.type === 'step') {
    const number = event.metrics[metric];
    return number === undefined ? [] : [{ name: metric, number: number ?? notFinite(event.nonFinite?.[metric]) }];
  }
  return measured(event).filter(({ name }) => name === metric || name.startsWith(`${metric}.`));
}

function measured({ forgetting, learning, kl }: EvaluatedEvent): Value[] {
  return [
    ...Object.entries(forgetting).map(([set, { value, verdict }]) => ({
      name: `forgetting.${set}`,
      number: value,
      ...(verdict && { verdict }),
    })),
    ...Object.entries(learning).map(([name, { value }]) => ({ name: `learning.${name}`, number: value })),
    ...Object.entries(learning).map(([name, { tuned }]) => ({ name: `loss.${name}`, number: tuned })),
    ...Object.entries(kl).map(([set, value]) => ({ name: `kl.${set}`, number: value ?? Number.NaN })),
  ];
}

const notFinite = (word: 'nan' | 'inf' | '-inf' | undefined): number =>
  word === 'inf' ? Number.POSITIVE_INFINITY : word === '-inf' ? Number.NEGATIVE_INFINITY : Number.NaN;

function holds({ condition }: StopRule, { number, verdict }: Value): boolean {
  if ('is' in condition) return condition.is === 'nan' ? !Number.isFinite(number) : verdict === 'forgot';
  return compare[condition.compare](number, condition.value);
}

const compare: Record<Comparison, (a: number, b: number) => boolean> = {
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
};

function wordOf({ number, verdict }: Value): string {
  if (!Number.isFinite(number)) return 'not a finite number';
  return `${Number(number.toPrecision(4))}${verdict === 'forgot' ? ' (forgot)' : ''}`;
}
