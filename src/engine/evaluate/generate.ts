/**
 * Greedy answers to prompts, as many side by side as their logits allow. Plain: every token costs a whole forward pass. A prompt is taken
 * as written, BOS before it where the tokenizer adds one.
 */
import type { Batch } from '../batch.ts';
import { makeBatch, type Row, rowsOfLogits, taskKind } from '../data/rows.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

/** (B, T, V) logits of a batch. */
export type LogitsOf = (batch: Batch) => Promise<Float32Array>;

export interface GenerateOptions {
  maxNewTokens: number;
  /** Prompt and answer together stay within this; longer prompts lose their beginning. */
  maxLength: number;
  vocabulary: number;
}

export async function generateGreedy(
  prompts: string[],
  tokenizer: Tokenizer,
  logitsOf: LogitsOf,
  options: GenerateOptions,
): Promise<string[]> {
  const atOnce = rowsOfLogits(prompts.length, options.maxLength, options.vocabulary);
  const answers: string[] = [];
  for (let from = 0; from < prompts.length; from += atOnce) {
    answers.push(...(await answerTogether(prompts.slice(from, from + atOnce), tokenizer, logitsOf, options)));
  }
  return answers;
}

async function answerTogether(
  prompts: string[],
  tokenizer: Tokenizer,
  logitsOf: LogitsOf,
  { maxNewTokens, maxLength }: GenerateOptions,
): Promise<string[]> {
  const texts = prompts.map(prompt => startOf(prompt, tokenizer, Math.max(1, maxLength - maxNewTokens)));
  const limit = Math.min(maxLength, maxNewTokens + Math.max(...texts.map(text => text.length)));
  const answers: number[][] = prompts.map(() => []);
  const isOpen = prompts.map(() => true);
  for (let i = 0; i < maxNewTokens && isOpen.includes(true); i++) {
    const rows = texts.map((text, b): Row => [rowOf([...text, ...answers[b]!])]);
    const batch = makeBatch(rows, taskKind, { rows: rows.length, maxLength: limit });
    const logits_BTV = await logitsOf(batch);
    const vocabulary = logits_BTV.length / (batch.rows * batch.length);
    for (const [b, row] of rows.entries()) {
      if (!isOpen[b]) continue;
      const at = (b * batch.length + row[0]!.ids.length - 1) * vocabulary;
      const next = argmax(logits_BTV.subarray(at, at + vocabulary));
      isOpen[b] = !tokenizer.stopIds.has(next) && row[0]!.ids.length + 1 < limit;
      if (!tokenizer.stopIds.has(next)) answers[b]!.push(next);
    }
  }
  return answers.map(ids => tokenizer.decode(ids));
}

function startOf(prompt: string, tokenizer: Tokenizer, room: number): number[] {
  const bos = tokenizer.addsBos ? [tokenizer.bosId!] : [];
  const ids = tokenizer.encode(prompt);
  return [...bos, ...ids.slice(Math.max(0, ids.length + bos.length - room))];
}

const rowOf = (ids: number[]): Row[number] => ({ ids: Int32Array.from(ids), targets: new Uint8Array(ids.length) });

/** The first of equals. */
function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
