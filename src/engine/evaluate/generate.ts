/**
 * Answers to prompts, several side by side; every token costs one token. A prompt is taken as written, BOS before it where
 * the tokenizer adds one.
 */
import type { Decoding } from '../model/decoding.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type Drawing, pickToken } from './pickToken.ts';

export type OpenDecoding = (shape: { rows: number; length: number }) => Decoding;

export interface GenerateOptions extends Drawing {
  maxNewTokens: number;
  /** Prompt and answer together stay within this; longer prompts lose their beginning. */
  maxLength: number;
  /** An answer ends before the first of these texts. */
  stop: readonly string[];
}

/** Prompts answered side by side: what their keys and values need stays small. */
const rowsAtOnce = 8;

export async function generate(
  prompts: readonly string[],
  tokenizer: Tokenizer,
  open: OpenDecoding,
  options: GenerateOptions,
): Promise<string[]> {
  const { maxLength, maxNewTokens } = options;
  const texts = prompts.map(prompt => startOf(prompt, tokenizer, Math.max(1, maxLength - maxNewTokens)));
  const length = Math.min(maxLength, maxNewTokens + Math.max(...texts.map(text => text.length)));
  const answers: string[] = [];
  for (let from = 0; from < texts.length; from += rowsAtOnce) {
    const decoding = open({ rows: Math.min(rowsAtOnce, texts.length), length });
    try {
      answers.push(...(await answer(texts.slice(from, from + rowsAtOnce), from, tokenizer, decoding, options)));
    } finally {
      decoding.close();
    }
  }
  return answers;
}

/** `first`: the number of the first of these texts among all. */
async function answer(
  texts: readonly number[][],
  first: number,
  tokenizer: Tokenizer,
  decoding: Decoding,
  { maxNewTokens, maxLength, stop, ...drawing }: GenerateOptions,
): Promise<string[]> {
  const pick = pickToken(drawing);
  const ids: number[][] = texts.map(() => []);
  const answers = texts.map(() => '');
  const isOpen = texts.map(() => true);
  let logits_BV = await decoding.begin(texts);
  for (let i = 0; i < maxNewTokens; i++) {
    const vocabulary = vocabularyOf(logits_BV, decoding);
    const next = texts.map((text, row) => {
      if (!isOpen[row]) return null;
      const id = pick(logits_BV.subarray(row * vocabulary, (row + 1) * vocabulary), i, first + row);
      isOpen[row] = !tokenizer.stopIds.has(id) && text.length + i + 1 < maxLength;
      if (tokenizer.stopIds.has(id)) return null;
      ids[row]!.push(id);
      answers[row] = tokenizer.decode(ids[row]!);
      const end = stopIn(answers[row]!, stop);
      if (end >= 0) {
        answers[row] = answers[row]!.slice(0, end);
        isOpen[row] = false;
      }
      return isOpen[row] ? { id } : null;
    });
    if (!isOpen.includes(true) || i + 1 === maxNewTokens) break;
    logits_BV = await decoding.next(next);
  }
  return answers;
}

export const vocabularyOf = (logits_BV: Float32Array, { rows }: Decoding): number => logits_BV.length / rows;

function startOf(prompt: string, tokenizer: Tokenizer, room: number): number[] {
  const bos = tokenizer.addsBos ? [tokenizer.bosId!] : [];
  const ids = tokenizer.encode(prompt);
  return [...bos, ...ids.slice(Math.max(0, ids.length + bos.length - room))];
}

/** Where the first of the stops begins, or −1. */
function stopIn(text: string, stop: readonly string[]): number {
  const found = stop.map(end => text.indexOf(end)).filter(at => at >= 0);
  return found.length > 0 ? Math.min(...found) : -1;
}
