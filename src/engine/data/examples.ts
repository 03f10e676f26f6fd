/**
 * Data files as examples: text, prompt with completion, or a conversation. The format of records is told from their
 * keys and is the same in the whole file; a paragraph of a txt file is one text. What is trained on is never held: it is
 * gone through. Knows nothing of tokens.
 */
import { basename, extname } from 'node:path';
import { dataFiles } from '../../runs/dataFiles.ts';
import { EngineError } from '../engineError.ts';
import { checkHeldFile, readLines } from './lines.ts';
import { badRow, hasRecords, type Row, readRecords, recordEndings } from './records.ts';
import { type Conversation, parseMessages, parseShareGpt } from './turns.ts';

export type Content =
  | { form: 'text'; text: string }
  | { form: 'completion'; prompt: string; completion: string }
  | ({ form: 'chat' } & Conversation)
  /** Becomes a conversation where the tokenizer has a chat template, else prompt and completion. */
  | { form: 'instruction'; instruction: string; output: string };

export type Example = Content & {
  /** Line of the file on which it starts. */
  line: number;
  /** Where the data are several files: which of them. */
  file?: string;
};

export const rowFormats = ['messages', 'sharegpt', 'prompt/completion', 'alpaca', 'text'] as const;
export type RowFormat = (typeof rowFormats)[number];

export interface ExampleFile {
  file: string;
  examples: Example[];
}

const formatList = '{text}, {prompt, completion}, {messages}, {instruction, output} or {conversations}';

/** Of a file, of all files in a folder, or of those that a pattern fits: one by one, as they are read. */
export async function* examplesIn(path: string): AsyncGenerator<Example> {
  const files = dataFiles(path);
  if (files.length === 1 && files[0] === path) return yield* examplesOf(path);
  for (const file of files) for await (const example of examplesOf(file)) yield { ...example, file };
}

/** Held as a whole. */
export async function readExamples(file: string): Promise<ExampleFile> {
  await checkHeldFile(file);
  const examples: Example[] = [];
  for await (const example of examplesOf(file)) examples.push(example);
  return { file, examples };
}

async function* examplesOf(file: string): AsyncGenerator<Example> {
  let count = 0;
  for await (const example of isText(file) ? paragraphsOf(file) : recordsOf(file)) {
    count += 1;
    yield example;
  }
  if (count > 0) return;
  throw new EngineError('data-empty', `${basename(file)} holds no rows`, {
    file,
    remedy: 'Put at least one row into it.',
  });
}

const isText = (file: string): boolean => extname(file).toLowerCase() === '.txt';

type Paragraph = { form: 'text'; text: string; line: number };

/** Held as a whole. */
export async function readParagraphs(file: string): Promise<Paragraph[]> {
  await checkHeldFile(file);
  const paragraphs: Paragraph[] = [];
  for await (const paragraph of paragraphsOf(file)) paragraphs.push(paragraph);
  return paragraphs;
}

/** Paragraphs are separated by blank lines. */
async function* paragraphsOf(file: string): AsyncGenerator<Paragraph> {
  let lines: string[] = [];
  let start = 1;
  for await (const { number, text } of readLines(file)) {
    if (text.trim() !== '') {
      if (lines.length === 0) start = number;
      lines.push(text);
      continue;
    }
    if (lines.length > 0) yield { form: 'text', text: lines.join('\n'), line: start };
    lines = [];
  }
  if (lines.length > 0) yield { form: 'text', text: lines.join('\n'), line: start };
}

async function* recordsOf(file: string): AsyncGenerator<Example> {
  if (!hasRecords(file)) {
    throw new EngineError('data-format', `${basename(file)}: data are .txt, ${recordEndings}`, {
      file,
      remedy: 'Convert the data to jsonl, one object a line.',
    });
  }
  let format: RowFormat | null = null;
  for await (const { line, row } of readRecords(file)) {
    const found = formatOf(row, file, line);
    format ??= found;
    if (found !== format) {
      const what = `this row is ${found} (keys: ${Object.keys(row).join(', ')}), the rows before it are ${format}`;
      throw badRow(file, line, what, 'Keep one format in a file.');
    }
    yield { ...parseRow(row, format, file, line), line };
  }
}

/** `text` counts only where nothing more telling is there: published alpaca files carry both. */
function formatOf(row: Row, file: string, line: number): RowFormat {
  const found: RowFormat[] = [];
  if ('messages' in row) found.push('messages');
  if ('conversations' in row) found.push('sharegpt');
  if ('prompt' in row && 'completion' in row) found.push('prompt/completion');
  if ('instruction' in row && 'output' in row) found.push('alpaca');
  if (found.length === 0 && 'text' in row) found.push('text');
  if (found.length === 1) return found[0]!;
  const keys = Object.keys(row).join(', ') || 'none';
  const what = found.length === 0 ? `unknown format, keys seen: ${keys}` : `keys of two formats: ${keys}`;
  throw badRow(file, line, what, `A row has the keys of one of: ${formatList}.`);
}

function parseRow(row: Row, format: RowFormat, file: string, line: number): Content {
  const text = (key: string, mayBeEmpty = false): string => {
    const value = row[key];
    if (typeof value !== 'string') throw badRow(file, line, `"${key}" must be a text`);
    if (!mayBeEmpty && value.trim() === '') throw badRow(file, line, `"${key}" is empty`, 'Remove the row.');
    return value;
  };
  switch (format) {
    case 'text':
      return { form: 'text', text: text('text') };
    case 'prompt/completion':
      return { form: 'completion', prompt: text('prompt', true), completion: text('completion') };
    case 'alpaca': {
      const input = 'input' in row ? text('input', true) : '';
      const instruction = text('instruction') + (input === '' ? '' : `\n\n${input}`);
      return { form: 'instruction', instruction, output: text('output') };
    }
    case 'messages':
      return { form: 'chat', ...parseMessages(row, file, line) };
    case 'sharegpt':
      return { form: 'chat', ...parseShareGpt(row, file, line) };
    default:
      return format satisfies never;
  }
}
