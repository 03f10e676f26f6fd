/**
 * What a model says unasked: texts drawn token by token as likely as it thinks them, so that losses on them estimate
 * expectations over its own distribution. Nothing is cut off, filtered or cooled. Knows no files and no scores.
 */
import { EngineError } from '../engineError.ts';
import { type OpenDecoding, vocabularyOf } from './generate.ts';
import { pickToken } from './pickToken.ts';

export interface TextPlan {
  items: number;
  /** Of each item. Where a text ends sooner, another begins: items of one length are what makes a mean over them fair. */
  tokens: number;
  /** The token that every text begins with. */
  start: number;
  /** Tokens that end a text. */
  stop: readonly number[];
}

/** Texts of one item, each with its first token. */
export type WrittenItem = number[][];

/** Rows written side by side, and columns of all of them: their keys and values take memory. */
const rowsAtOnce = 64;
const cellsAtOnce = 2 ** 12;
/** Whatever the run's seed: every run is judged by the same texts. */
const seed = 0;

export async function writeTexts(
  open: OpenDecoding,
  plan: TextPlan,
  onProgress: (fraction: number) => void = () => {},
): Promise<WrittenItem[]> {
  const { items } = plan;
  const rows = rowsOf(plan);
  const written: WrittenItem[] = [];
  for (let from = 0; from < items; from += rows) {
    written.push(...(await writeBlock(open, plan, { from, rows }, done => onProgress((from + done * rows) / items))));
  }
  onProgress(1);
  return written.slice(0, items);
}

function rowsOf({ items, tokens }: TextPlan): number {
  const most = Math.min(rowsAtOnce, Math.max(1, Math.floor(cellsAtOnce / tokens)));
  return Math.ceil(items / Math.ceil(items / most));
}

const timedTokens = 4;

/** An estimate from a few tokens; later ones cost the same. */
export async function secondsToWrite(open: OpenDecoding, { items, tokens, start }: TextPlan): Promise<number> {
  const rows = rowsOf({ items, tokens, start, stop: [] });
  const timed = Math.max(1, Math.min(timedTokens, tokens - 1));
  const decoding = open({ rows, length: Math.max(tokens, timed + 1) });
  try {
    const next = Array.from({ length: rows }, () => ({ id: start }));
    await decoding.begin(next.map(({ id }) => [id]));
    const startedAt = performance.now();
    for (let i = 0; i < timed; i++) await decoding.next(next);
    return (Math.ceil(items / rows) * tokens * (performance.now() - startedAt)) / timed / 1000;
  } finally {
    decoding.close();
  }
}

async function writeBlock(
  open: OpenDecoding,
  { tokens, start, stop }: TextPlan,
  { from, rows }: { from: number; rows: number },
  onProgress: (fraction: number) => void,
): Promise<WrittenItem[]> {
  const pick = pickToken({ temperature: 1, topP: 1, seed });
  const items = Array.from({ length: rows }, (): WrittenItem => [[start]]);
  const decoding = open({ rows, length: tokens });
  try {
    let logits_BV = await decoding.begin(items.map(() => [start]));
    for (let i = 0; i < tokens; i++) {
      const vocabulary = vocabularyOf(logits_BV, decoding);
      const next = items.map((texts, row) => {
        const id = pick(logits_BV.subarray(row * vocabulary, (row + 1) * vocabulary), i, from + row);
        texts.at(-1)!.push(id);
        if (!stop.includes(id)) return { id };
        if (i + 1 < tokens) texts.push([start]);
        return { id: start, begins: true };
      });
      onProgress((i + 1) / tokens);
      if (i + 1 < tokens) logits_BV = await decoding.next(next);
    }
  } finally {
    decoding.close();
  }
  return items;
}

/** Half of its tokens are ends: such texts would measure how it ends, and nothing else. */
export function refuseSilent(items: readonly WrittenItem[], { stop }: TextPlan): void {
  const texts = items.flat();
  const ended = texts.filter(text => stop.includes(text.at(-1)!)).length;
  const tokens = texts.reduce((sum, text) => sum + text.length - 1, 0);
  if (2 * ended <= tokens) return;
  throw new EngineError(
    'base-silent',
    `The base model writes nothing unasked: ${ended} of its ${tokens} tokens end a text, so retain.auto would measure little else`,
    { remedy: 'Name sets of a file under retain.probes instead of retain.auto.' },
  );
}
