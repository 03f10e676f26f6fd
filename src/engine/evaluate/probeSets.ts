/**
 * Probe sets: held-out items that stand for what must not be lost. Three kinds: text, choice {context, choices, gold}
 * and pairs {good, bad}; tasks of lm-evaluation-harness become one of the first two. Knows nothing of tokens or scores.
 */
import { basename, extname } from 'node:path';
import { readParagraphs } from '../data/examples.ts';
import { checkHeldFile } from '../data/lines.ts';
import { badRow, hasRecords, readRecords, recordEndings } from '../data/records.ts';
import { EngineError } from '../engineError.ts';
import { type HarnessItems, readHarnessTask } from './harnessTask.ts';

export type ProbeItem = { line: number } /** With a context only what follows it is scored. */ & (
  | { kind: 'text'; text: string; context?: string }
  /** The delimiter stands before each choice and does not count to its length. */
  | { kind: 'choice'; context: string; choices: string[]; gold: number; delimiter?: string }
  | { kind: 'pairs'; good: string; bad: string }
);
export type ProbeKind = ProbeItem['kind'];

export interface ProbeSet {
  name: string;
  file: string;
  /** What its items were read from. */
  files: string[];
  kind: ProbeKind;
  items: ProbeItem[];
}

const kindList = '{text}, {context, choices, gold} or {good, bad}';
const maxChoices = 64;

export async function readProbeSet(name: string, file: string): Promise<ProbeSet> {
  const { items, dataFile } = await readItems(file);
  if (items.length === 0) {
    throw new EngineError('data-empty', `The probe set ${name} (${basename(file)}) holds no items`, {
      file,
      remedy: 'Put at least 50 held-out items into it: fewer never allow a verdict.',
    });
  }
  const files = dataFile === file ? [file] : [file, dataFile];
  return { name, file: dataFile, files, kind: items[0]!.kind, items };
}

async function readItems(file: string): Promise<HarnessItems> {
  const ending = extname(file).toLowerCase();
  if (ending === '.yaml' || ending === '.yml') return readHarnessTask(file);
  return { items: ending === '.txt' ? await readTexts(file) : await readRows(file), dataFile: file };
}

/** What an item says when read as one text; the gold answer and the good sentence only. */
export function itemText(item: ProbeItem): string {
  switch (item.kind) {
    case 'text':
      return (item.context ?? '') + item.text;
    case 'choice':
      return item.context + (item.delimiter ?? '') + item.choices[item.gold];
    case 'pairs':
      return item.good;
    default:
      return item satisfies never;
  }
}

async function readTexts(file: string): Promise<ProbeItem[]> {
  return (await readParagraphs(file)).map(({ text, line }) => ({ kind: 'text', text, line }));
}

async function readRows(file: string): Promise<ProbeItem[]> {
  if (!hasRecords(file)) {
    throw new EngineError(
      'data-format',
      `${basename(file)}: probe files are .txt, ${recordEndings}, or a task of lm-evaluation-harness (.yaml)`,
      {
        file,
        remedy: `Write one JSON object a line: ${kindList}.`,
      },
    );
  }
  await checkHeldFile(file);
  const items: ProbeItem[] = [];
  for await (const { line, row } of readRecords(file)) {
    const item = parseItem(row, file, line);
    const first = items[0]?.kind ?? item.kind;
    if (item.kind !== first) {
      throw badRow(file, line, `this item is ${item.kind}, those before it are ${first}`, 'Keep one kind in a file.');
    }
    items.push(item);
  }
  return items;
}

function parseItem(row: Record<string, unknown>, file: string, line: number): ProbeItem {
  const text = (key: string): string => {
    const value = row[key];
    if (typeof value === 'string' && value.trim() !== '') return value;
    throw badRow(file, line, `"${key}" must be a text that is not empty`);
  };
  if ('choices' in row) {
    const context = typeof row.context === 'string' ? row.context : text('context');
    return { kind: 'choice', context, ...parseChoices(row, file, line), line };
  }
  if ('good' in row && 'bad' in row) {
    const [good, bad] = [text('good'), text('bad')];
    if (good === bad) throw badRow(file, line, '"good" and "bad" are equal', 'Remove the item.');
    return { kind: 'pairs', good, bad, line };
  }
  if ('text' in row) return { kind: 'text', text: text('text'), line };
  const keys = Object.keys(row).join(', ') || 'none';
  throw badRow(file, line, `unknown kind of item, keys seen: ${keys}`, `An item has the keys of one of: ${kindList}.`);
}

function parseChoices(row: Record<string, unknown>, file: string, line: number): { choices: string[]; gold: number } {
  const { choices, gold } = row;
  const isList = Array.isArray(choices) && choices.every(choice => typeof choice === 'string' && choice.trim() !== '');
  if (!isList || choices.length < 2 || choices.length > maxChoices) {
    throw badRow(file, line, `"choices" must be a list of 2 to ${maxChoices} texts`);
  }
  if (new Set(choices).size !== choices.length) throw badRow(file, line, 'two of the choices are equal');
  if (typeof gold !== 'number' || !Number.isInteger(gold) || gold < 0 || gold >= choices.length) {
    throw badRow(file, line, `"gold" must be the place of the right choice, 0 to ${choices.length - 1}`);
  }
  return { choices: choices as string[], gold };
}
