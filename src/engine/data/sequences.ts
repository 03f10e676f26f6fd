/**
 * Examples as token sequences with a mask of what is learned: prompts are read, answers are learned. Says what happens
 * to sequences longer than the limit. Knows nothing of files' formats, order or batches.
 */
import { basename } from 'node:path';
import { EngineError } from '../engineError.ts';
import type { Span } from '../tokenizer/chatTemplate.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Content, Example, ExampleFile } from './examples.ts';
import { badRow } from './records.ts';
import type { Tokens } from './tokens.ts';
import type { Conversation } from './turns.ts';

export interface Sequence extends Tokens {
  /** Which example it belongs to; a text split in chunks has several sequences. */
  example: number;
  /** Line of the file. */
  line: number;
}

export interface SequenceOptions {
  maxLength: number;
  tooLong: 'error' | 'cut' | 'drop';
  /** The key of the recipe that a message about length points to. */
  lengthKey?: string;
}

/** Rows that were longer than the limit, by what became of them. */
export interface LengthCounts {
  dropped: number;
  cut: number;
}

export interface SequenceFile extends LengthCounts {
  sequences: Sequence[];
}

const giveWayEveryMs = 100;

export type OnFraction = (fraction: number) => void;

/** Held as a whole. */
export async function encodeExamples(
  source: ExampleFile,
  tokenizer: Tokenizer,
  options: SequenceOptions,
): Promise<SequenceFile> {
  const sequences: Sequence[] = [];
  const { file, examples } = source;
  const counts = await encodeEach(file, examples, tokenizer, options, sequence => void sequences.push(sequence));
  return { sequences, ...counts };
}

/**
 * Each sequence is given away as it is made. Gives way to other work now and then: millions of tokens take long, and the run
 * must stay answerable. `onDone` is told how many examples are done.
 */
export async function encodeEach(
  file: string,
  examples: Iterable<Example> | AsyncIterable<Example>,
  tokenizer: Tokenizer,
  options: SequenceOptions,
  take: (sequence: Sequence) => void | Promise<void>,
  onDone: (examples: number) => void = () => {},
): Promise<LengthCounts> {
  if (options.maxLength < 2) {
    throw new EngineError('recipe-invalid', 'train.max_length must be at least 2: one token predicts nothing');
  }
  const counts: LengthCounts = { dropped: 0, cut: 0 };
  let [index, taken, gaveWayAt] = [0, 0, performance.now()];
  for await (const example of examples) {
    for (const sequence of encodeExample(counts, example.file ?? file, example, index, tokenizer, options)) {
      await take(sequence);
      taken += 1;
    }
    index += 1;
    if (performance.now() - gaveWayAt < giveWayEveryMs) continue;
    onDone(index);
    await new Promise(setImmediate);
    gaveWayAt = performance.now();
  }
  if (taken > 0) return counts;
  const message = `${basename(file)}: every row was dropped as longer than ${options.maxLength} tokens`;
  throw new EngineError('data-empty', message, { file, remedy: 'Raise train.max_length.' });
}

function encodeExample(
  counts: LengthCounts,
  file: string,
  example: Example,
  index: number,
  tokenizer: Tokenizer,
  options: SequenceOptions,
): Sequence[] {
  const whole = encodeContent(example, tokenizer, { file, line: example.line });
  const place = { example: index, line: example.line };
  if (example.form === 'text') {
    if (whole.ids.length < 2) throw badRow(file, example.line, 'too short: one token predicts nothing', 'Remove it.');
    return splitText(whole.ids, options.maxLength).map(part => ({ ...part, ...place }));
  }
  const length = whole.ids.length;
  if (length > options.maxLength && options.tooLong === 'error') {
    const key = options.lengthKey ?? 'train.max_length';
    throw new EngineError(
      'sequence-too-long',
      `${basename(file)}, line ${example.line}: the row has ${length} tokens, ${key} is ${options.maxLength}`,
      { file, line: example.line, remedy: `Raise ${key}, or set train.too_long to cut or drop.` },
    );
  }
  const isCut = length > options.maxLength && options.tooLong === 'cut';
  const kept = isCut ? firstTokens(whole, options.maxLength) : whole;
  if (kept.ids.length > options.maxLength || targetCount(kept) === 0) {
    if (!isCut && length <= options.maxLength)
      throw badRow(file, example.line, 'it has no token to learn', 'Remove it.');
    counts.dropped += 1;
    return [];
  }
  if (isCut) counts.cut += 1;
  return [{ ...kept, ...place }];
}

/** Tokens that are really predicted and learned. */
export function targetCount(sequence: { targets: Uint8Array }): number {
  let count = 0;
  for (let t = 1; t < sequence.targets.length; t++) count += sequence.targets[t]!;
  return count;
}

export function encodeContent(content: Content, tokenizer: Tokenizer, at: { file: string; line: number }): Tokens {
  switch (content.form) {
    case 'text': {
      const ids = Int32Array.from(tokenizer.encodeDocument(content.text));
      return { ids, targets: new Uint8Array(ids.length).fill(1) };
    }
    case 'completion':
      return encodeCompletion(content.prompt, content.completion, tokenizer);
    case 'instruction':
      return tokenizer.template
        ? encodeChat(turnsOf(content.instruction, content.output), tokenizer, at)
        : encodeCompletion(`${content.instruction}\n`, content.output, tokenizer);
    case 'chat':
      return encodeChat(content, tokenizer, at);
    default:
      return content satisfies never;
  }
}

const turnsOf = (user: string, assistant: string): Conversation => ({
  messages: [
    { role: 'user', content: user },
    { role: 'assistant', content: assistant },
  ],
});

/** The completion is learned, with EOS behind it: an answer has an end. */
function encodeCompletion(prompt: string, completion: string, tokenizer: Tokenizer): Tokens {
  const text = tokenizer.encode(prompt + completion);
  const from = commonPrefix(text, tokenizer.encode(prompt));
  const bos = tokenizer.addsBos ? [tokenizer.bosId!] : [];
  const eos = tokenizer.eosId === null ? [] : [tokenizer.eosId];
  const ids = Int32Array.from([...bos, ...text, ...eos]);
  return { ids, targets: new Uint8Array(ids.length).fill(1, bos.length + from) };
}

/** The assistant's turns are learned. The template writes BOS and ends of turns itself. */
function encodeChat(conversation: Conversation, tokenizer: Tokenizer, at: { file: string; line: number }): Tokens {
  if (!tokenizer.template) {
    throw new EngineError(
      'no-chat-template',
      `${basename(at.file)} holds conversations, but the tokenizer has no chat template`,
      { ...at, remedy: 'Add chat_template to tokenizer_config.json, or write the rows as prompt and completion.' },
    );
  }
  const { text, assistant } = renderAt(conversation, tokenizer, at);
  const ids = tokenizer.encode(text);
  return { ids: Int32Array.from(ids), targets: targetsOfSpans(text, assistant, ids, tokenizer) };
}

function renderAt({ messages, tools }: Conversation, tokenizer: Tokenizer, at: { file: string; line: number }) {
  const template = (tools && tokenizer.toolTemplate) ?? tokenizer.template!;
  try {
    return template.renderWithSpans(messages, tools);
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    throw new EngineError(cause.code, `${basename(at.file)}, line ${at.line}: ${cause.message}`, {
      ...at,
      remedy: cause.remedy,
      cause,
    });
  }
}

/** The tokenizer tells no offsets: a border lies where the tokens of the text before it stop being the text's own. */
function targetsOfSpans(text: string, spans: Span[], ids: number[], tokenizer: Tokenizer): Uint8Array {
  const targets = new Uint8Array(ids.length);
  const tokensBefore = (end: number): number =>
    end === text.length ? ids.length : commonPrefix(ids, tokenizer.encode(text.slice(0, end)));
  for (const { start, end } of spans) targets.fill(1, tokensBefore(start), tokensBefore(end));
  return targets;
}

export function commonPrefix(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a[i] === b[i]) i++;
  return i;
}

/** Chunks share one token, so that every token but the text's first is a target exactly once. */
export function splitText(ids: Int32Array, maxLength: number): Tokens[] {
  const parts: Tokens[] = [];
  for (let start = 0; start === 0 || start < ids.length - 1; start += maxLength - 1) {
    const part = ids.slice(start, start + maxLength);
    parts.push({ ids: part, targets: new Uint8Array(part.length).fill(1) });
  }
  return parts;
}

const firstTokens = ({ ids, targets }: Tokens, count: number): Tokens => ({
  ids: ids.slice(0, count),
  targets: targets.slice(0, count),
});
