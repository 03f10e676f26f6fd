/**
 * Is an attempt still the same run? What the first attempt's trainer said of its numerics and files is compared with
 * what this one's says: an attempt from the start has no checkpoint that would carry it. Knows no engine.
 */
import type { PreparedEvent, TrainerEvent } from '../protocol/trainer.ts';
import { readJournal } from '../runs/journal.ts';
import type { RunFolder } from '../runs/runFolder.ts';
import { RunsError } from '../runs/runsError.ts';

type HelloEvent = Extract<TrainerEvent, { type: 'hello' }>;

export class SameRun {
  readonly #run: RunFolder;
  #hello: HelloEvent | null = null;
  /** More than one, when one program prepares and another trains. */
  readonly #prepared: PreparedEvent[] = [];

  /** Up to the first step: a journal may be long. */
  static async recall(run: RunFolder): Promise<SameRun> {
    const same = new SameRun(run);
    for await (const { records } of readJournal(run)) {
      for (const record of records) {
        if (record.type === 'step') return same;
        if (record.type === 'hello') same.#hello ??= record;
        if (record.type === 'prepared') same.#prepared.push(record);
      }
    }
    return same;
  }

  private constructor(run: RunFolder) {
    this.#run = run;
  }

  /** What is said against it, or `null`. */
  judge(event: TrainerEvent): RunsError | null {
    const differences = this.#differences(event);
    if (differences.length === 0) return null;
    const message = `It would not be the same run: ${differences.join('; ')}`;
    const remedy = `Put it back as it was, or start a new run: holdfast rerun ${this.#run.id}.`;
    return new RunsError('run-changed', message, { remedy });
  }

  #differences(event: TrainerEvent): string[] {
    if (event.type === 'hello') return otherNumerics(this.#hello, event);
    if (event.type !== 'prepared') return [];
    const differences = this.#prepared.map(before => otherFiles(filesOf(before), filesOf(event)));
    return differences.sort((a, b) => a.length - b.length)[0] ?? [];
  }
}

const otherNumerics = (before: HelloEvent | null, now: HelloEvent): string[] =>
  !before || before.numerics === now.numerics ? [] : [`numerics was ${before.numerics}, is ${now.numerics}`];

function otherFiles(before: Record<string, string>, now: Record<string, string>): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter(name => before[name] !== now[name])
    .map(name => `${name} ${!(name in before) ? 'is new' : !(name in now) ? 'is gone' : 'has changed'}`);
}

function filesOf({ fingerprints: { data, tokenizer, model } }: PreparedEvent): Record<string, string> {
  const sets = Object.entries(data).map(([name, hash]) => [`the content of ${name}`, hash]);
  return { ...Object.fromEntries(sets), 'the tokenizer': tokenizer, 'the base model': model };
}
