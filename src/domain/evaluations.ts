/**
 * The evaluations of a run in ascending steps. The newest is asked for all the time, those before it hardly ever: of a run that
 * is taken up again they stay text until then. Curves are drawn from series, not from here.
 */
import type { EvaluatedEvent } from '../protocol/trainer.ts';

export type Evaluation = Omit<EvaluatedEvent, 'type'>;

interface Entry {
  step: number;
  evaluation?: Evaluation;
  text?: string;
}

/** Plain data that a structured clone takes, quickly. */
export interface EvaluationsSnapshot {
  steps: number[];
  texts: string[];
}

export class Evaluations {
  #entries: Entry[] = [];

  static restore({ steps, texts }: EvaluationsSnapshot): Evaluations {
    const evaluations = new Evaluations();
    evaluations.#entries = steps.map((step, at) => ({ step, text: texts[at]! }));
    return evaluations;
  }

  snapshot(): EvaluationsSnapshot {
    return { steps: this.#entries.map(({ step }) => step), texts: this.#entries.map(textOf) };
  }

  get length(): number {
    return this.#entries.length;
  }

  get newest(): Evaluation | null {
    const entry = this.#entries.at(-1);
    return entry ? evaluationOf(entry) : null;
  }

  all(): Evaluation[] {
    return this.#entries.map(evaluationOf);
  }

  /** What was there of its step, or of later ones, no longer holds. */
  add(evaluation: Evaluation): void {
    this.cutAfter(evaluation.step - 1);
    this.#entries.push({ step: evaluation.step, evaluation });
  }

  cutAfter(step: number): void {
    while ((this.#entries.at(-1)?.step ?? step) > step) this.#entries.pop();
  }

  addAll(others: Evaluations, upTo: number): void {
    this.#entries = this.#entries.concat(others.#entries.filter(({ step }) => step <= upTo));
  }
}

function evaluationOf(entry: Entry): Evaluation {
  entry.evaluation ??= JSON.parse(entry.text!) as Evaluation;
  return entry.evaluation;
}

function textOf(entry: Entry): string {
  entry.text ??= JSON.stringify(entry.evaluation);
  return entry.text;
}
