/**
 * Which rows every optimizer step takes, as a pure function of seed and step: the same task rows in all variants, replay
 * rows beside them. Nothing has to be saved to resume. Specified in docs/random-streams.md.
 */
import type { Batch } from '../batch.ts';
import { EngineError } from '../engineError.ts';
import { RandomStream, type StreamName } from './randomStreams.ts';
import {
  makeBatch,
  type Row,
  type Rows,
  replayKind,
  rowLength,
  scoringParts,
  taskKind,
  trainingParts,
} from './rows.ts';

export interface RowPlanOptions {
  task: Rows;
  /** Rows of the old distribution and their share of all rows; none without replay. */
  replay?: { rows: Rows; share: number };
  batchSize: number;
  microBatchSize: number;
  maxLength: number;
  seed: number;
  /** Of each task row, where rows of about the same length are to come together. */
  lengthOf?: (row: number) => number;
}

/** What a step takes, by number: of task rows and of replay rows. */
export interface DrawnRows {
  task: number[];
  replay: number[];
}

export interface StepRows {
  task: Row[];
  replay: Row[];
  /** Task rows first. A micro-batch is of one kind, so the task's are equal in all variants. */
  microBatches: Batch[];
  tokens: number;
  taskTokens: number;
}

const batchesTogether = 50;

export class RowPlan {
  readonly #options: RowPlanOptions;
  readonly #task: EndlessRows;
  readonly #replay: EndlessRows | null;
  /** Replay rows a step, a fraction: whole rows are paid out as it adds up. */
  readonly replayQuota: number;

  constructor(options: RowPlanOptions) {
    this.#options = options;
    const { batchSize, replay } = options;
    if (options.task.length === 0) throw new EngineError('data-empty', 'There are no task rows');
    if (replay && replay.rows.length === 0) throw new EngineError('data-empty', 'There are no replay rows');
    this.replayQuota = replay ? (batchSize * replay.share) / (1 - replay.share) : 0;
    this.#task = new EndlessRows(options.task.length, options.seed, 'order', order => this.#grouped(order));
    this.#replay = replay ? new EndlessRows(replay.rows.length, options.seed, 'replay') : null;
  }

  /** Optimizer steps in so many passes over the task rows. */
  stepsOf(epochs: number): number {
    return Math.max(1, Math.ceil((epochs * this.#options.task.length) / this.#options.batchSize - 1e-9));
  }

  /** All rows that are drawn from. */
  get rows(): { task: Rows; replay: Rows } {
    return { task: this.#options.task, replay: this.#options.replay?.rows ?? [] };
  }

  /** Of the longest that a batch's length may be. */
  get lengthParts(): number {
    return this.#options.lengthOf ? scoringParts : trainingParts;
  }

  /** Rows of a micro-batch of each kind. */
  get microRows(): { task: number; replay: number } {
    const { batchSize, microBatchSize } = this.#options;
    const mostReplayed = Math.ceil(this.replayQuota - 1e-9);
    return { task: evenBlocks(batchSize, microBatchSize), replay: evenBlocks(mostReplayed, microBatchSize) };
  }

  /** Rows of step 1, 2, … */
  drawn(step: number): DrawnRows {
    const { batchSize } = this.#options;
    const task = this.#task.slice((step - 1) * batchSize, step * batchSize);
    const replay = this.#replay?.slice(this.#replayedUntil(step - 1), this.#replayedUntil(step)) ?? [];
    return { task, replay };
  }

  /** The same in batches. */
  at(step: number): StepRows {
    const { maxLength } = this.#options;
    const { rows, lengthParts: parts } = this;
    const drawn = this.drawn(step);
    const task = drawn.task.map(row => rows.task.at(row)!);
    const replay = drawn.replay.map(row => rows.replay.at(row)!);
    const taskTokens = task.reduce((sum, row) => sum + rowLength(row), 0);
    const { microRows } = this;
    return {
      task,
      replay,
      microBatches: [
        ...microBatches(task, taskKind, { rows: microRows.task, maxLength, parts }),
        ...microBatches(replay, replayKind, { rows: microRows.replay, maxLength, parts }),
      ],
      tokens: taskTokens + replay.reduce((sum, row) => sum + rowLength(row), 0),
      taskTokens,
    };
  }

  /** As Hugging Face's sampler has it: the longest first within so many batches of the random order. */
  #grouped(order: Int32Array): Int32Array {
    const { lengthOf, batchSize } = this.#options;
    if (!lengthOf) return order;
    const batches = Math.max(1, Math.min(batchesTogether, Math.floor(order.length / (4 * batchSize))));
    for (let from = 0; from < order.length; from += batches * batchSize) {
      order.subarray(from, from + batches * batchSize).sort((a, b) => lengthOf(b) - lengthOf(a));
    }
    return order;
  }

  #replayedUntil(step: number): number {
    return Math.floor(step * this.replayQuota + 1e-9);
  }
}

/** `rows` in as few blocks of at most `most` as there can be: how many to a block. */
const evenBlocks = (rows: number, most: number): number => (rows === 0 ? 0 : Math.ceil(rows / Math.ceil(rows / most)));

function microBatches(rows: Row[], kind: number, size: { rows: number; maxLength: number; parts: number }): Batch[] {
  const batches: Batch[] = [];
  for (let from = 0; from < rows.length; from += size.rows) {
    batches.push(makeBatch(rows.slice(from, from + size.rows), kind, size));
  }
  return batches;
}

/** Every row once in a random order, then every row once in another: row k without the rows before it. */
class EndlessRows {
  readonly #count: number;
  readonly #stream: RandomStream;
  readonly #arrange: (order: Int32Array) => Int32Array;
  #epoch = -1;
  #order: Int32Array = new Int32Array();

  constructor(count: number, seed: number, name: StreamName, arrange = (order: Int32Array) => order) {
    this.#count = count;
    this.#arrange = arrange;
    this.#stream = new RandomStream(seed, name);
  }

  slice(from: number, to: number): number[] {
    return Array.from({ length: to - from }, (_, i) => this.#at(from + i));
  }

  #at(k: number): number {
    const epoch = Math.floor(k / this.#count);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#order = this.#arrange(this.#stream.permutation(this.#count, epoch));
    }
    return this.#order[k % this.#count]!;
  }
}
