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

export interface SequenceFile {
  sequences: Sequence[];
  dropped: number;
  cut: number;
}

const giveWayEveryMs = 100;

export type OnFraction = (fraction: number) => void;

/** Gives way to other work now and then: millions of tokens take long, and the run must stay answerable. */
export async function encodeExamples(
  source: ExampleFile,
  tokenizer: Tokenizer,
  options: SequenceOptions,
  onProgress: OnFraction = () => {},
): Promise<SequenceFile> {
  if (options.maxLength < 2) {
    throw new EngineError('recipe-invalid', 'train.max_length must be at least 2: one token predicts nothing');
  }
  const found: SequenceFile = { sequences: [], dropped: 0, cut: 0 };
  let gaveWayAt = performance.now();
  for (const [i, example] of source.examples.entries()) {
    addExample(found, example.file ?? source.file, example, i, tokenizer, options);
    if (performance.now() - gaveWayAt < giveWayEveryMs) continue;
    onProgress((i + 1) / source.examples.length);
    await new Promise(setImmediate);
    gaveWayAt = performance.now();
  }
  if (found.sequences.length === 0) {
    const message = `${basename(source.file)}: every row was dropped as longer than ${options.maxLength} tokens`;
    throw new EngineError('data-empty', message, { file: source.file, remedy: 'Raise train.max_length.' });
  }
  return found;
}

function addExample(
  found: SequenceFile,
  file: string,
  example: Example,
  index: number,
  tokenizer: Tokenizer,
  options: SequenceOptions,
): void {
  const whole = encodeContent(example, tokenizer, { file, line: example.line });
  if (example.form === 'text') {
    if (whole.ids.length < 2) throw badRow(file, example.line, 'too short: one token predicts nothing', 'Remove it.');
    for (const part of splitText(whole.ids, options.maxLength)) {
      found.sequences.push({ ...part, example: index, line: example.line });
    }
    return;
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
    found.dropped += 1;
    return;
  }
  if (isCut) found.cut += 1;
  found.sequences.push({ ...kept, example: index, line: example.line });
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
