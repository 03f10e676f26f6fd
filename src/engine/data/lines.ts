/**
 * A data file as numbered lines, read as a stream. Refuses what cannot be text. Works on bytes, because a chunk can end
 * in the middle of a character. Knows nothing of JSON or rows.
 */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { EngineError } from '../engineError.ts';

export interface Line {
  /** From 1. */
  number: number;
  text: string;
}

/** Of a file that is held whole: probe items, held-out rows, and lists in one piece of JSON. */
const maxHeldBytes = 512 * 2 ** 20;
const maxLineBytes = 8 * 2 ** 20;
const newline = 10;

export async function* readLines(file: string): AsyncGenerator<Line> {
  await checkFile(file);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;

  const finish = (last: Buffer): Line => {
    const bytes = rest.length === 0 ? last : Buffer.concat([...rest, last]);
    rest = [];
    restBytes = 0;
    number += 1;
    return { number, text: decodeLine(decoder, bytes, file, number) };
  };

  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      yield finish(chunk.subarray(from, end));
      from = end + 1;
    }
    if (from < chunk.length) {
      rest.push(chunk.subarray(from));
      restBytes += chunk.length - from;
    }
    if (restBytes > maxLineBytes) {
      throw new EngineError('line-too-long', `A line is longer than ${maxLineBytes >> 20} MB`, {
        file,
        line: number + 1,
        remedy: 'Split it into several rows; jsonl wants one object a line.',
      });
    }
  }
  if (restBytes > 0) yield finish(Buffer.alloc(0));
}

export async function readWholeText(file: string): Promise<string> {
  await checkHeldFile(file);
  return decodeLine(new TextDecoder('utf-8', { fatal: true }), await readFile(file), file, 1);
}

/** Throws when it is no file or is not there. How many bytes it has. */
export async function checkFile(file: string): Promise<number> {
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new EngineError('not-a-file', `${file} is not a file`, { file });
    return found.size;
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    const missing = code === 'ENOENT';
    throw new EngineError(missing ? 'file-missing' : 'file-unreadable', `Cannot read ${file} (${code})`, {
      file,
      remedy: missing ? 'Correct the path in the recipe; paths are relative to it.' : 'Check the permissions.',
      cause,
    });
  }
}

/** The same for what will be held in memory as a whole. */
export async function checkHeldFile(file: string): Promise<void> {
  const size = await checkFile(file);
  if (size <= maxHeldBytes) return;
  const limit = `the limit is ${maxHeldBytes >> 20} MB for what is held in memory`;
  throw new EngineError('file-too-large', `${file} has ${Math.round(size / 2 ** 20)} MB, ${limit}`, {
    file,
    remedy: 'Use a part of it. Rows to train on may be of any size as jsonl, csv, tsv, parquet or txt.',
  });
}

function decodeLine(decoder: TextDecoder, bytes: Buffer, file: string, line: number): string {
  try {
    const text = decoder.decode(bytes);
    if (text.includes('\0')) throw new TypeError('it holds a zero byte');
    return text.endsWith('\r') ? text.slice(0, -1) : text;
  } catch (cause) {
    throw new EngineError('not-text', `This is not UTF-8 text: ${(cause as Error).message}`, {
      file,
      line,
      remedy: 'Convert the file to UTF-8 (iconv -f … -t utf-8).',
      cause,
    });
  }
}
