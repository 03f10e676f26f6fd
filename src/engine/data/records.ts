/**
 * Data files as records, objects with named values: jsonl, a list in json, csv, tsv and parquet. Knows neither what the names
 * mean nor tokens.
 */
import { basename, extname } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { EngineError } from '../engineError.ts';
import { checkFile, readLines, readWholeText } from './lines.ts';

export type Row = Record<string, unknown>;

export interface DataRecord {
  /** From 1: line of the file (of a csv record that has several, the last), or which record where lines say nothing. */
  line: number;
  row: Row;
}

/** How each ending is read. */
const readers: Record<string, (file: string) => AsyncGenerator<DataRecord>> = {
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.json': readJsonList,
  '.csv': file => readSeparated(file, ','),
  '.tsv': file => readSeparated(file, '\t'),
  '.parquet': readParquet,
};

const readerOf = (file: string) => readers[extname(file).toLowerCase()];

export const hasRecords = (file: string): boolean => readerOf(file) !== undefined;
export const recordEndings = '.jsonl, .json, .csv, .tsv or .parquet';

export function readRecords(file: string): AsyncGenerator<DataRecord> {
  const read = readerOf(file);
  if (!read) throw new EngineError('data-format', `${basename(file)} is none of ${recordEndings}`, { file });
  return read(file);
}

/** The complaint about one record; its line is named where the file has lines. */
export function badRow(file: string, line: number, what: string, remedy?: string): EngineError {
  const hasLines = !/\.(json|parquet)$/i.test(file);
  const place = `${basename(file)}, ${hasLines ? 'line' : 'row'} ${line}`;
  return new EngineError('bad-row', `${place}: ${what}`, { file, ...(hasLines && { line }), remedy });
}

/** Blank lines are skipped. */
async function* readJsonLines(file: string): AsyncGenerator<DataRecord> {
  for await (const { number, text } of readLines(file)) {
    if (text.trim() === '') continue;
    let row: unknown;
    try {
      row = JSON.parse(text);
    } catch (cause) {
      const what = `this line is not JSON (${(cause as Error).message})`;
      throw badRow(file, number, what, 'Write one JSON object a line.');
    }
    yield { line: number, row: objectOf(row, file, number) };
  }
}

async function* readJsonList(file: string): AsyncGenerator<DataRecord> {
  const text = await readWholeText(file);
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch (cause) {
    throw new EngineError('data-format', `${basename(file)} is not JSON: ${(cause as Error).message}`, {
      file,
      remedy: 'It should be one list of objects. A file with an object a line is named .jsonl.',
    });
  }
  if (!Array.isArray(rows)) {
    throw new EngineError('data-format', `${basename(file)} holds no list`, {
      file,
      remedy: 'It should be one list of objects: [{…}, {…}].',
    });
  }
  for (const [i, row] of rows.entries()) yield { line: i + 1, row: objectOf(row, file, i + 1) };
}

/** The first line names the columns. */
async function* readSeparated(file: string, delimiter: string): AsyncGenerator<DataRecord> {
  const { parse } = await import('csv-parse');
  const lines = async function* () {
    for await (const { text } of readLines(file)) yield `${text}\n`;
  };
  const options = { delimiter, columns: true, bom: true, skip_empty_lines: true, info: true } as const;
  // What goes wrong in the file ends the parser with it, and is told to whoever reads from that.
  const parsed = pipeline(Readable.from(lines()), parse(options), () => {});
  try {
    for await (const { info, record } of parsed as AsyncIterable<{ info: { lines: number }; record: Row }>) {
      yield { line: info.lines, row: record };
    }
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    const { lines: line = 1 } = cause as { lines?: number };
    throw badRow(file, line, (cause as Error).message, 'Check quotes and the number of columns there.');
  }
}

async function* readParquet(file: string): AsyncGenerator<DataRecord> {
  await checkFile(file);
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  try {
    const buffer = await asyncBufferFromFile(file);
    const metadata = await parquetMetadataAsync(buffer);
    let line = 0;
    for (const { num_rows: count } of metadata.row_groups) {
      const rowEnd = line + Number(count);
      for (const row of await parquetReadObjects({ file: buffer, metadata, compressors, rowStart: line, rowEnd })) {
        line += 1;
        yield { line, row };
      }
    }
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw new EngineError('data-format', `${basename(file)} is no parquet file: ${(cause as Error).message}`, {
      file,
      remedy: 'Write it again, or convert it to jsonl.',
      cause,
    });
  }
}

function objectOf(row: unknown, file: string, line: number): Row {
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Row;
  throw badRow(file, line, 'a JSON object was expected', 'Write objects with named values: {"text": "…"}.');
}
