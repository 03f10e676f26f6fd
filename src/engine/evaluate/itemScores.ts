/**
 * Scores items: which token sequences an item is, and what their log-likelihoods say about it. One code path for the
 * base and the tuned model, for probe sets and for held-out task rows. Knows nothing of runs, caches or statistics.
 */
import { basename } from 'node:path';
import type { Batch } from '../batch.ts';
import type { ExampleFile } from '../data/examples.ts';
import { makeBatch, scoringParts, taskKind } from '../data/rows.ts';
import { commonPrefix, encodeContent, encodeExamples, type SequenceOptions, splitText } from '../data/sequences.ts';
import { EngineError } from '../engineError.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ProbeItem, ProbeSet } from './probeSets.ts';

/** Changes when the same weights and items would get another number. */
export const scorerVersion = 1;

export interface ItemScore {
  /** Mean negative log-likelihood of the item's target tokens, nats per token. */
  loss: number;
  /** Target tokens of the loss. */
  tokens: number;
  /** Choice and pairs: was the right one the likeliest? */
  correct?: boolean;
  /** Choice: the one it took. */
  pick?: number;
}

export interface ScoredSequence {
  ids: Int32Array;
  targets: Uint8Array;
}

export interface EncodedItem {
  line: number;
  /** Choice: one per choice. Pairs: good, bad. Text: the chunks. */
  sequences: ScoredSequence[];
  /** Which sequence stands for the item where one row is wanted (the KL to the base). */
  main: number;
  /** Choice: how long each is. */
  characters?: readonly number[];
  conclude(sums: SequenceSum[]): ItemScore;
}

interface SequenceSum {
  /** Sum of −log p over the target tokens. */
  nll: number;
  tokens: number;
}

export type ScoreBatch = (batch: Batch) => Promise<Float32Array>;

/** Sequences scored at once. Fixed, so that the numbers do not depend on a recipe's batch size. */
export const scoredRows = 16;

export async function scoreItems(
  items: EncodedItem[],
  maxLength: number,
  score: ScoreBatch,
  onProgress: (fraction: number) => void = () => {},
): Promise<ItemScore[]> {
  const sums = items.map(({ sequences }) => sequences.map(() => ({ nll: 0, tokens: 0 })));
  const places = items.flatMap(({ sequences }, item) => sequences.map((sequence, i) => ({ sequence, item, i })));
  places.sort((a, b) => a.sequence.ids.length - b.sequence.ids.length);
  for (let from = 0; from < places.length; from += scoredRows) {
    const block = places.slice(from, from + scoredRows);
    const batch = makeBatch(
      block.map(({ sequence }) => [sequence]),
      taskKind,
      { rows: scoredRows, maxLength, parts: scoringParts },
    );
    const losses = await score(batch);
    for (const [b, { sequence, item, i }] of block.entries()) {
      sums[item]![i] = sumTargets(losses, b * batch.length, sequence);
    }
    onProgress(Math.min(1, (from + scoredRows) / places.length));
  }
  return items.map((item, i) => item.conclude(sums[i]!));
}

/** Position t holds the loss of token t + 1. */
function sumTargets(losses: Float32Array, at: number, { targets }: ScoredSequence): SequenceSum {
  const sum = { nll: 0, tokens: 0 };
  for (let t = 1; t < targets.length; t++) {
    if (!targets[t]) continue;
    sum.nll += losses[at + t - 1]!;
    sum.tokens += 1;
  }
  return sum;
}

export function encodeProbeSet(set: ProbeSet, tokenizer: Tokenizer, maxLength: number): EncodedItem[] {
  return set.items.map(item => {
    const encoded = encodeItem(item, tokenizer, maxLength);
    const longest = Math.max(...encoded.sequences.map(({ ids }) => ids.length));
    const at = { file: set.file, line: item.line };
    if (longest > maxLength) {
      const message = `${basename(set.file)}, line ${item.line}: the item has ${longest} tokens, train.max_length is ${maxLength}`;
      throw new EngineError('sequence-too-long', message, { ...at, remedy: 'Shorten it, or raise train.max_length.' });
    }
    if (encoded.sequences.some(sequence => !sequence.targets.subarray(1).includes(1))) {
      throw new EngineError('bad-row', `${basename(set.file)}, line ${item.line}: too short to be scored`, at);
    }
    return encoded;
  });
}

/** Held-out task rows: an example's loss over its target tokens. */
export async function encodeLearningItems(
  source: ExampleFile,
  tokenizer: Tokenizer,
  options: SequenceOptions,
): Promise<EncodedItem[]> {
  const items: EncodedItem[] = [];
  let last = -1;
  for (const sequence of (await encodeExamples(source, tokenizer, options)).sequences) {
    if (sequence.example === last) items.at(-1)!.sequences.push(sequence);
    else items.push(textItem(sequence.line, [sequence]));
    last = sequence.example;
  }
  return items;
}

/** What is scored by the mean over all its tokens. */
export const textItem = (line: number, sequences: ScoredSequence[]): EncodedItem => ({
  line,
  sequences,
  main: 0,
  conclude: meanLoss,
});

function encodeItem(item: ProbeItem, tokenizer: Tokenizer, maxLength: number): EncodedItem {
  const { line } = item;
  const whole = (text: string): ScoredSequence => encodeContent({ form: 'text', text }, tokenizer, { file: '', line });
  switch (item.kind) {
    case 'text':
      if (item.context !== undefined) {
        const answer = answersTo(item.context, tokenizer);
        return textItem(line, [answer(item.text)]);
      }
      return textItem(line, splitText(whole(item.text).ids, maxLength));
    case 'choice': {
      const { context, choices, gold, delimiter = '' } = item;
      const answer = answersTo(context, tokenizer);
      const sequences = choices.map(choice => answer(delimiter + choice));
      const characters = choices.map(choice => choice.length);
      return { line, sequences, main: gold, characters, conclude: sums => concludeChoice(sums, characters, gold) };
    }
    case 'pairs':
      return { line, sequences: [whole(item.good), whole(item.bad)], main: 0, conclude: concludePair };
    default:
      return item satisfies never;
  }
}

/** An answer's tokens given the context. Blanks at the context's end count to the answer, as tokens begin with them. */
function answersTo(context: string, tokenizer: Tokenizer): (answer: string) => ScoredSequence {
  const bos = tokenizer.addsBos ? [tokenizer.bosId!] : [];
  const alone = tokenizer.encode(context.trimEnd());
  return answer => {
    const text = tokenizer.encode(context + answer);
    const from = bos.length + commonPrefix(text, alone);
    const ids = Int32Array.from([...bos, ...text]);
    return { ids, targets: new Uint8Array(ids.length).fill(1, from) };
  };
}

function meanLoss(sums: SequenceSum[]): ItemScore {
  const tokens = sums.reduce((sum, part) => sum + part.tokens, 0);
  return { loss: sums.reduce((sum, part) => sum + part.nll, 0) / tokens, tokens };
}

/** As acc_norm of lm-evaluation-harness: the highest log-likelihood per character wins; the first of equals. */
function concludeChoice(sums: SequenceSum[], characters: readonly number[], gold: number): ItemScore {
  const perCharacter = sums.map(({ nll }, i) => nll / characters[i]!);
  const pick = perCharacter.indexOf(Math.min(...perCharacter));
  return { ...meanLoss([sums[gold]!]), correct: pick === gold, pick };
}

/** The whole sentence's log-likelihood decides; equal ones are wrong. */
function concludePair([good, bad]: SequenceSum[]): ItemScore {
  return { ...meanLoss([good!]), correct: good!.nll < bad!.nll };
}
