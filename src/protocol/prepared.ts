/**
 * The prepared data of a run, for trainers that do not read, tokenize or mix data themselves: one small JSON file and
 * one binary file of plain arrays. Described for other languages in docs/prepared-data.md.
 */
import type { Budget, ResolvedRecipe } from '../recipe/schema.ts';
import type { FirstBatchEvent, PreparedEvent, SeriesEvent, SetScore } from './trainer.ts';

export const preparedVersion = 1;
export const preparedFiles = { description: 'artifact.json', arrays: 'artifact.bin' } as const;

export type SectionType = 'int32' | 'uint8' | 'int64' | 'float64';

/** An array of the binary file, little endian. */
export interface Section {
  dtype: SectionType;
  /** Bytes from the file's start, a multiple of 8. */
  offset: number;
  /** Numbers. */
  length: number;
}

/** What is scored: probe sets and held-out task rows. Items are numbered in the order of the file. */
export interface PreparedSet {
  name: string;
  kind: SetScore['kind'] | 'learning';
  file: string;
  fingerprint: string;
  replayed: boolean;
  budget?: Budget;
  /** Item → line of the file. */
  lines: number[];
  /** The set's first scored sequence. */
  first: number;
  /** Item i has the scored sequences first + starts[i] to first + starts[i + 1]. */
  starts: number[];
  /** Which of an item's sequences stands for it in the KL to the base; of choices, the right one. */
  main: number[];
  /** Choice: the length of every choice. */
  characters?: number[][];
  /** A fixed order; the first `evaluate.items` are scored during the run. */
  order: number[];
}

/** Texts for `retain: auto` that the base has yet to write, and where they are kept then. */
export interface TextsToWrite {
  items: number;
  /** Of each item. */
  tokens: number;
  /** The token that every text begins with. */
  start: number;
  /** Tokens that end one. */
  stop: readonly number[];
  key: string;
  file: string;
  /** Of the items, as in a set. */
  order: number[];
  budget?: Budget;
}

/** What is trained on. */
export interface PreparedTraining {
  /** Optimizer steps of the whole run. */
  steps: number;
  rows: { task: number; replay: number };
  batch: { taskRows: number; taskMicroRows: number; replayMicroRows: number; lengthStep: number };
  /** Rows of the sample for `kl.train`. */
  klRows: number[];
  identity: Record<string, string>;
  data: PreparedEvent['data'];
  probes: PreparedEvent['probes'];
  firstBatch: FirstBatchEvent;
}

export interface PreparedData extends Partial<PreparedTraining> {
  v: typeof preparedVersion;
  /** Length of the binary file. */
  bytes: number;
  sections: Record<string, Section>;
  maxLength: number;
  scoring: { rows: number; lengthStep: number };
  sets: PreparedSet[];
  /** Absent where nobody asks for them, or where they are a set already. */
  textsToWrite?: TextsToWrite;
  prompts: { text: string; ids: number[] }[];
  answers: {
    tokens: number;
    promptTokens: number;
    /** 0: greedy. */
    temperature: number;
    topP: number;
    seed: number;
    stop: string[];
  };
  tokenizer: {
    bos: number | null;
    addsBos: boolean;
    eos: number | null;
    stop: number[];
    size: number;
    fingerprint: string;
    /** Texts of these data and their ids: whoever has another tokenizer library can see whether it reads alike. */
    samples: { text: string; ids: number[] }[];
  };
  fingerprints: Omit<PreparedEvent['fingerprints'], 'cacheKey'>;
  scoringKey: string;
  series: SeriesEvent[];
  warnings: string[];
  /** What is watched and when, for trainers that are told nothing else. */
  evaluate: ResolvedRecipe['evaluate'];
}
