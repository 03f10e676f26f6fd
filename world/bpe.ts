/**
 * Byte-level byte-pair encoding: training, and encoding of texts made of words met in training. Splits a text as the
 * pre-tokenizers Digits (one digit a piece) and ByteLevel (GPT-2's pattern, no space put before) do. Its result is
 * written as a Hugging Face `tokenizer.json`; whoever uses the model loads that with the usual libraries.
 */

const pieces = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

export interface Bpe {
  /** Token texts in ids' order, in the byte alphabet. */
  tokens: string[];
  merges: [string, string][];
  /** Throws on a word that did not occur in training. */
  encode(text: string): number[];
}

export function trainBpe(texts: Iterable<string>, size: number, specials: string[]): Bpe {
  const words = countWords(texts);
  const tokens = [...specials, ...byteAlphabet.slice().sort()];
  const merges: [string, string][] = [];
  while (tokens.length < size) {
    const pair = mostFrequentPair(words);
    if (pair === null) break;
    merges.push(pair);
    tokens.push(pair.join(''));
    for (const word of words.values()) mergePair(word.parts, pair);
  }
  return { tokens, merges, encode: encoder(words, tokens) };
}

interface Word {
  count: number;
  parts: string[];
}

function countWords(texts: Iterable<string>): Map<string, Word> {
  const words = new Map<string, Word>();
  for (const text of texts) {
    for (const piece of split(text)) {
      const word = words.get(piece);
      if (word === undefined) words.set(piece, { count: 1, parts: toByteAlphabet(piece) });
      else word.count += 1;
    }
  }
  return words;
}

/** Digits stand alone; what lies between them is split by GPT-2's pattern. */
export function split(text: string): string[] {
  return text.split(/(\p{N})/u).flatMap((part, index) => (index % 2 === 1 ? [part] : (part.match(pieces) ?? [])));
}

/** Ties go to the pair that is first in code-point order, so that training has one result. */
function mostFrequentPair(words: Map<string, Word>): [string, string] | null {
  const counts = new Map<string, number>();
  for (const { count, parts } of words.values()) {
    for (let i = 1; i < parts.length; i++) {
      const key = `${parts[i - 1]} ${parts[i]}`;
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
  }
  let best: string | null = null;
  for (const [key, count] of counts) {
    const most: number = best === null ? 0 : counts.get(best)!;
    if (count > most || (count === most && best !== null && key < best)) best = key;
  }
  return best === null ? null : (best.split(' ') as [string, string]);
}

function mergePair(parts: string[], [left, right]: [string, string]): void {
  for (let i = 1; i < parts.length; i++) {
    if (parts[i - 1] === left && parts[i] === right) parts.splice(i - 1, 2, left + right);
  }
}

function encoder(words: Map<string, Word>, tokens: string[]): (text: string) => number[] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const known = new Map([...words].map(([piece, word]) => [piece, word.parts.map(part => ids.get(part)!)]));
  return text =>
    split(text).flatMap(piece => {
      const encoded = known.get(piece);
      if (encoded === undefined) throw new Error(`"${piece}" did not occur in the tokenizer's training texts`);
      return encoded;
    });
}

/** Bytes as visible characters, as GPT-2 and its successors write them. */
const byteAlphabet = makeByteAlphabet();

function makeByteAlphabet(): string[] {
  let next = 256;
  const isVisible = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isVisible(byte) ? byte : next++));
}

function toByteAlphabet(piece: string): string[] {
  return [...new TextEncoder().encode(piece)].map(byte => byteAlphabet[byte]!);
}
