/**
 * Evaluates a tuned model against its base: forgetting by probe set, learning by held-out task set, KL to the base. A
 * fixed nested subset during the run, all items at the end. Knows nothing of training or of wires.
 */
import { join } from 'node:path';
import { scoreLearning, scoreSet } from '../../domain/scores.ts';
import type { EvaluatedEvent } from '../../protocol/trainer.ts';
import type { Budget } from '../../recipe/schema.ts';
import { writeAtomic } from '../atomicFile.ts';
import { RandomStream } from '../data/randomStreams.ts';
import { makeBatch, type Row, taskKind } from '../data/rows.ts';
import { EngineError } from '../engineError.ts';
import { BaseScores } from './baseScores.ts';
import { digest } from './fingerprints.ts';
import { type EncodedItem, type ItemScore, scoredRows, scoreItems } from './itemScores.ts';
import type { ModelPair } from './modelPair.ts';
import type { ProbeKind } from './probeSets.ts';
import type { MadeBatch } from './stepZero/checkResult.ts';

export interface EvaluatedSet {
  name: string;
  /** `learning`: held-out task rows. */
  kind: ProbeKind | 'learning';
  items: EncodedItem[];
  file: string;
  /** SHA-256 of the file. */
  fingerprint: string;
  replayed: boolean;
  budget?: Budget;
}

export interface EvaluatorOptions {
  pair: ModelPair;
  sets: EvaluatedSet[];
  /** A fixed sample of training rows for the KL to the base. */
  trainSample: Row[];
  maxLength: number;
  /** Items of each set scored during the run. */
  itemsInRun: number;
  seed: number;
  cacheFolder: string;
  cacheKey: string;
  /**
   * Stands for everything that decides what the tuned model is before its first step, whose scores are then kept as well.
   * Absent: they are not.
   */
  untouchedKey?: string;
  /** Per-item results are written here. */
  itemsFolder: string;
  onProgress: (phase: string, fraction: number) => void;
}

/** A fixed order of a set's items, the same for every run: smaller subsets lie within larger ones. */
export const subsetOrder = (items: number): number[] => [...new RandomStream(0, 'subset').permutation(items)];

/** Rows of each set on which the KL to the base is taken. */
export const klRows = 32;

interface ScoredItems {
  places: number[];
  base: ItemScore[];
  tuned: ItemScore[];
}

export class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #known = new Map<string, Promise<BaseScores>>();

  constructor(options: EvaluatorOptions) {
    this.#options = options;
  }

  async evaluate(step: number, final: boolean): Promise<EvaluatedEvent> {
    const { sets, seed, onProgress } = this.#options;
    const event: EvaluatedEvent = { type: 'evaluated', step, final, learning: {}, forgetting: {}, kl: {} };
    let lines = '';
    for (const [i, set] of sets.entries()) {
      const scored = await this.#score(set, { step, final }, (phase, fraction) =>
        onProgress(phase, (i + fraction) / sets.length),
      );
      lines += itemLines(set, scored);
      const { base, tuned } = scored;
      const { kind, replayed, budget } = set;
      if (kind === 'learning') event.learning[set.name] = scoreLearning(base, tuned, { seed });
      else event.forgetting[set.name] = scoreSet({ kind, replayed, budget, base, tuned, seed });
    }
    event.kl = await this.#divergences(step);
    event.items = `${final ? 'final' : `step-${String(step).padStart(6, '0')}`}.jsonl`;
    await writeAtomic(join(this.#options.itemsFolder, event.items), lines);
    return event;
  }

  /** Sequences scored at one point during the run, for an estimate of its time. */
  get sequencesInRun(): number {
    return this.#options.sets
      .flatMap(set => this.#places(set, false).map(place => set.items[place]!.sequences.length))
      .reduce((sum, count) => sum + count, 0);
  }

  /** Some rows of the first probe set. */
  familiarBatch(): MadeBatch | undefined {
    const set = this.#options.sets.find(({ kind }) => kind !== 'learning');
    if (!set) return undefined;
    const rows = set.items.slice(0, scoredRows).map(rowOfItem);
    return { rows, batch: makeBatch(rows, taskKind, { rows: scoredRows, maxLength: this.#options.maxLength }) };
  }

  async #score(
    set: EvaluatedSet,
    { step, final }: { step: number; final: boolean },
    onProgress: EvaluatorOptions['onProgress'],
  ): Promise<ScoredItems> {
    const { pair, maxLength, cacheKey } = this.#options;
    const places = this.#places(set, final);
    const itemsAt = (chosen: number[]): EncodedItem[] => chosen.map(place => set.items[place]!);
    const known = await this.#scoresFor([cacheKey, set.kind, set.fingerprint]);
    const base = await known.of(places, missing =>
      scoreItems(itemsAt(missing), maxLength, pair.scoreBase, fraction => onProgress('base scores', fraction)),
    );
    const phase = final ? 'final evaluation' : 'evaluating';
    const tuned = await this.#untouched(step, [set.kind, set.fingerprint], places, missing =>
      scoreItems(itemsAt(missing), maxLength, pair.scoreTuned, fraction => onProgress(phase, fraction)),
    );
    for (const [who, scores] of [['base', base] as const, ['tuned', tuned] as const]) {
      const bad = scores.findIndex(({ loss }) => !Number.isFinite(loss));
      if (bad >= 0) throw notFinite(who, set, set.items[places[bad]!]!.line, scores[bad]!.loss);
    }
    return { places, base, tuned };
  }

  /** What the tuned model scores: before its first step that may be known. */
  async #untouched(
    step: number,
    what: string[],
    places: number[],
    score: (missing: number[]) => Promise<ItemScore[]>,
  ): Promise<ItemScore[]> {
    const { untouchedKey } = this.#options;
    if (step > 0 || !untouchedKey) return score(places);
    return (await this.#scoresFor([untouchedKey, ...what])).of(places, score);
  }

  #scoresFor(what: string[]): Promise<BaseScores> {
    const key = digest(what);
    const found = this.#known.get(key) ?? BaseScores.open(this.#options.cacheFolder, key);
    this.#known.set(key, found);
    return found;
  }

  #places(set: EvaluatedSet, final: boolean): number[] {
    const order = subsetOrder(set.items.length);
    return final ? order.sort((a, b) => a - b) : order.slice(0, this.#options.itemsInRun);
  }

  async #divergences(step: number): Promise<Record<string, number>> {
    const { sets, trainSample } = this.#options;
    const kl: Record<string, number> = {};
    const on = async (rows: Row[]): Promise<number> => {
      const tokens = digest(rows.map(row => row.map(({ ids, targets }) => [[...ids], [...targets]])));
      const [score] = await this.#untouched(step, ['kl', tokens], [0], async () => [await this.#divergence(rows)]);
      return score!.loss;
    };
    if (trainSample.length > 0) kl.train = await on(trainSample);
    for (const set of sets) {
      if (set.kind === 'learning') continue;
      const order = subsetOrder(set.items.length).slice(0, klRows);
      kl[set.name] = await on(order.map(place => rowOfItem(set.items[place]!)));
    }
    return kl;
  }

  /** The loss is that of another kind: nats of KL per target token over all rows. */
  async #divergence(rows: Row[]): Promise<ItemScore> {
    const { pair, maxLength } = this.#options;
    let sum = 0;
    let tokens = 0;
    for (let from = 0; from < rows.length; from += scoredRows) {
      const batch = makeBatch(rows.slice(from, from + scoredRows), taskKind, { rows: scoredRows, maxLength });
      for (const value of await pair.divergence(batch)) sum += value;
      for (const label of batch.labels) if (label >= 0) tokens += 1;
    }
    return { loss: sum / tokens, tokens };
  }
}

const rowOfItem = (item: EncodedItem): Row => [item.sequences[item.main]!];

function itemLines(set: EvaluatedSet, { places, base, tuned }: ScoredItems): string {
  const lines = places.map((place, i) => {
    const line = set.items[place]!.line;
    return `${JSON.stringify({ set: set.name, kind: set.kind, file: set.file, line, base: base[i], tuned: tuned[i] })}\n`;
  });
  return lines.join('');
}

function notFinite(who: string, set: EvaluatedSet, line: number, loss: number): EngineError {
  return new EngineError('not-finite', `The ${who} model's loss on ${set.name}, line ${line}, is ${loss}`, {
    file: set.file,
    line,
    remedy: who === 'tuned' ? 'Lower the learning rate.' : 'The base model itself gives no finite loss here.',
  });
}
