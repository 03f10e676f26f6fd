/**
 * A task of lm-evaluation-harness as a probe set: its YAML with local data, of the types multiple_choice and loglikelihood.
 * What would need Python, other examples before the question or a download is refused by name.
 */
import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, relative, resolve, sep } from 'node:path';
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { parseDocument } from 'yaml';
import * as z from 'zod';
import { checkHeldFile } from '../data/lines.ts';
import { badRow, type Row, readRecords } from '../data/records.ts';
import { EngineError } from '../engineError.ts';
import type { ProbeItem } from './probeSets.ts';

export interface HarnessItems {
  items: ProbeItem[];
  /** Where they come from; their lines are those of this file. */
  dataFile: string;
}

const largestTask = 256 * 1024;
const text = z.union([z.string(), z.number()]).transform(String);
const dataFiles = z.union([z.string(), z.record(z.string(), z.string())]);

const schema = z.looseObject({
  task: z.string().optional(),
  output_type: z.enum(['multiple_choice', 'loglikelihood']),
  dataset_path: z.string().optional(),
  dataset_kwargs: z.looseObject({ data_files: dataFiles }),
  test_split: z.string().optional(),
  validation_split: z.string().optional(),
  description: z.string().default(''),
  doc_to_text: text,
  doc_to_target: z.union([z.string(), z.number()]),
  doc_to_choice: z.union([z.string(), z.array(text), z.record(z.string(), text)]).optional(),
  target_delimiter: z.string().default(' '),
  num_fewshot: z.number().nullish(),
});
type Task = z.infer<typeof schema>;

/** Keys whose effect would be missing without a word. */
const refusedKeys = ['include', 'process_docs', 'doc_to_image', 'doc_to_audio', 'use_prompt', 'gen_prefix'] as const;

export async function readHarnessTask(file: string): Promise<HarnessItems> {
  const task = parseTask(file, await readTask(file));
  const dataFile = await dataOf(file, task);
  const templates = new Templates(file);
  await checkHeldFile(dataFile);
  const items: ProbeItem[] = [];
  for await (const { line, row } of readRecords(dataFile)) {
    const context = templates.fill(task.description, row) + templates.valueOf(task.doc_to_text, row);
    if (task.output_type === 'loglikelihood') {
      // As the harness: without a delimiter.
      items.push({ kind: 'text', context, text: templates.valueOf(String(task.doc_to_target), row), line });
      continue;
    }
    const item = { context, delimiter: task.target_delimiter, line };
    const choices = templates.choices(task, row, dataFile, line);
    items.push({ kind: 'choice', ...item, choices, gold: templates.gold(task, row, choices, dataFile, line) });
  }
  return { items, dataFile };
}

async function readTask(file: string): Promise<unknown> {
  if ((await stat(file)).size > largestTask) throw broken(file, 'is larger than a task is');
  const document = parseDocument(await readFile(file, 'utf8'), { merge: false, logLevel: 'silent' });
  const [error] = document.errors;
  if (error) throw broken(file, error.message.split('\n')[0]!);
  const [tag] = document.warnings;
  if (tag) throw broken(file, 'has tags such as !function, which run Python', 'Write the task with templates alone.');
  return document.toJS({ maxAliasCount: 0 });
}

function parseTask(file: string, written: unknown): Task {
  const refused = refusedKeys.find(key => typeof written === 'object' && written !== null && key in written);
  if (refused) throw broken(file, `has ${refused}, which is not supported`, 'Write out what it stands for.');
  const parsed = schema.safeParse(written);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw broken(
      file,
      `${path.join('.') || 'it'}: ${message}`,
      'Tasks of multiple_choice or loglikelihood with local data_files can be read.',
    );
  }
  const { num_fewshot, output_type, doc_to_choice } = parsed.data;
  if (num_fewshot) throw broken(file, 'asks for examples before the question (num_fewshot)', 'Set num_fewshot: 0.');
  if (output_type === 'multiple_choice' && doc_to_choice === undefined) throw broken(file, 'has no doc_to_choice');
  return parsed.data;
}

/** Beside the task or below: a recipe's own paths were checked, this one only here. */
async function dataOf(file: string, { dataset_kwargs, test_split, validation_split }: Task): Promise<string> {
  const { data_files: named } = dataset_kwargs;
  const split = test_split ?? validation_split ?? 'test';
  const written = typeof named === 'string' ? named : named[split];
  if (!written) throw broken(file, `names no data_files for the split ${split}`);
  const folder = await realpath(dirname(file));
  const found = await realpath(resolve(folder, written)).catch(() => {
    throw broken(file, `names ${written}, which is not there`, 'Data files are looked for beside the task.');
  });
  if (relative(folder, found).split(sep)[0] !== '..') return found;
  throw broken(file, `names ${written}, outside of its folder`, 'Put the data beside the task.');
}

/** A field's name stands for its value; anything else is a template over the fields. */
class Templates {
  readonly #file: string;
  readonly #parsed = new Map<string, ReturnType<typeof parse>>();

  constructor(file: string) {
    this.#file = file;
  }

  valueOf(written: string, row: Row): string {
    return Object.hasOwn(row, written) ? String(row[written]) : this.fill(written, row);
  }

  fill(template: string, row: Row): string {
    const missing = [...template.matchAll(/\{\{-?\s*([A-Za-z_]\w*)/g)].find(([, name]) => !Object.hasOwn(row, name!));
    if (missing)
      throw broken(this.#file, `uses ${missing[1]}, which a row has not`, `There are: ${Object.keys(row).join(', ')}.`);
    const environment = new Environment();
    for (const [name, value] of Object.entries(row)) environment.set(name, value);
    try {
      const filled = String(new Interpreter(environment).run(this.#program(template)).value);
      // The harness keeps the newline at the end of a template.
      return template.endsWith('\n') && !filled.endsWith('\n') ? `${filled}\n` : filled;
    } catch (cause) {
      throw broken(this.#file, `has a template that cannot be filled: ${(cause as Error).message}`);
    }
  }

  choices({ doc_to_choice: written }: Task, row: Row, dataFile: string, line: number): string[] {
    if (typeof written === 'object') return Object.values(written);
    const given = Object.hasOwn(row, written!) ? row[written!] : listIn(this.fill(written!, row));
    if (Array.isArray(given) && given.length >= 2) return given.map(String);
    throw badRow(dataFile, line, `doc_to_choice gives no list of two or more: ${written}`);
  }

  gold({ doc_to_target: written }: Task, row: Row, choices: string[], dataFile: string, line: number): number {
    const given = typeof written === 'string' && Object.hasOwn(row, written) ? row[written] : written;
    const filled = typeof given === 'string' && given === written ? this.fill(given, row) : given;
    const place = typeof filled === 'number' ? filled : choices.indexOf(String(filled));
    const gold = place < 0 && /^\d+$/.test(String(filled)) ? Number(filled) : place;
    if (Number.isInteger(gold) && gold >= 0 && gold < choices.length) return gold;
    throw badRow(dataFile, line, `doc_to_target gives none of the ${choices.length} choices: ${filled}`);
  }

  #program(template: string): ReturnType<typeof parse> {
    const known = this.#parsed.get(template);
    if (known) return known;
    const program = parse(tokenize(template));
    this.#parsed.set(template, program);
    return program;
  }
}

function listIn(rendered: string): unknown {
  try {
    return JSON.parse(rendered);
  } catch {
    return null;
  }
}

function broken(file: string, what: string, remedy?: string): EngineError {
  return new EngineError('harness-task', `${basename(file)} ${what}`, { file, remedy });
}
