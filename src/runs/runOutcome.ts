/**
 * What a journal tells of how far a run came: last loss, last evaluation, steps to go. A list of ten thousand runs asks
 * this of each, so journals are read from their ends, and no further than it takes.
 */
import type { FileHandle } from 'node:fs/promises';
import type { JournalRecord } from '../protocol/journal.ts';
import type { EvaluatedEvent } from '../protocol/trainer.ts';
import { decodeJournalLine } from './journalLine.ts';
import type { RunFolder } from './runFolder.ts';
import { openChecked, readBytes } from './safeFile.ts';

export interface Outcome {
  evaluated: EvaluatedEvent | null;
  /** Of the whole run; null where the part that was read does not say. */
  steps: number | null;
  loss: number | null;
  /** The last one that was told. */
  step: number;
}

/** Of the journal from its end backwards: final evaluations, answers and the exit record fit into the first. */
const blockBytes = [24 * 1024, 512 * 1024];
const laterBytes = 4 * 1024 * 1024;
const newline = 10;

export const emptyOutcome = (): Outcome => ({ evaluated: null, steps: null, loss: null, step: 0 });

/** Asked again of a run that goes on, it reads what came since. */
export class OutcomeReader {
  #known: { inode: number; readTo: number; outcome: Outcome } | null = null;

  async read(run: RunFolder): Promise<Outcome> {
    const handle = await openChecked(run.journalFile);
    if (!handle) return emptyOutcome();
    try {
      const { ino: inode, size } = await handle.stat();
      const before = this.#known?.inode === inode && this.#known.readTo <= size ? this.#known : null;
      let found = await readBackwards(handle, before?.readTo ?? 0, size, before?.outcome);
      // A resume has made void the one evaluation that was known; one before it may hold.
      if (before?.outcome.evaluated && !found.outcome.evaluated) found = await readBackwards(handle, 0, size);
      this.#known = { inode, ...found };
      return found.outcome;
    } finally {
      await handle.close();
    }
  }
}

interface Found {
  outcome: Outcome;
  /** Up to the end of the last whole line. */
  readTo: number;
}

/** From `size` back to `from`; without anything known `before`, only as far as it takes to know the newest. */
async function readBackwards(handle: FileHandle, from: number, size: number, before?: Outcome): Promise<Found> {
  const records: JournalRecord[] = [];
  let [rest, readTo]: [Buffer, number | null] = [Buffer.alloc(0), null];
  for (let [end, number] = [size, 0]; ; number++) {
    const start = Math.max(from, end - (blockBytes[number] ?? laterBytes));
    const read = await readBytes(handle, start, end);
    const block: Buffer = Buffer.concat([read, rest]);
    // The first line may be cut off, and the last one still be written.
    const first = start === from ? 0 : block.indexOf(newline) + 1;
    const last: number = readTo === null ? block.lastIndexOf(newline) + 1 : block.length;
    if (last > 0) readTo ??= start + last;
    records.unshift(...toldIn(block.subarray(first, Math.max(first, last)), !records.some(isStep)));
    const outcome = fold(records, before);
    if (start === from) return { outcome, readTo: readTo ?? from };
    if (!before && outcome.evaluated && outcome.loss !== null) return { outcome, readTo: readTo! };
    rest = first === 0 ? block : block.subarray(0, first);
    end = start;
  }
}

/** Nearly all lines are steps, of which only the last one counts: the others are not even looked at. */
function toldIn(block: Buffer, wantsStep: boolean): JournalRecord[] {
  const places = told.flatMap(type => [...placesOf(block, `"type":"${type}"`)]).sort((a, b) => a - b);
  const records = places.flatMap(place => recordAt(block, place) ?? []);
  const step = wantsStep ? lastStep(block) : null;
  return step ? [...records, step] : records;
}

function lastStep(block: Buffer): JournalRecord | null {
  for (let at = block.length; at > 0; ) {
    at = block.lastIndexOf('"type":"step"', at - 1);
    const record = at >= 0 ? recordAt(block, at) : null;
    if (record && isStep(record)) return record;
  }
  return null;
}

/** Of the line around a place; `null` where it is damaged. */
function recordAt(block: Buffer, place: number): JournalRecord | null {
  const line = block.toString('utf8', block.lastIndexOf(newline, place) + 1, block.indexOf(newline, place));
  const decoded = decodeJournalLine(line);
  return decoded.kind === 'record' ? decoded.record : null;
}

const told = ['prepared', 'evaluated', 'resumed'] as const;

const isStep = ({ type }: JournalRecord): boolean => type === 'step';

function* placesOf(block: Buffer, text: string): Generator<number> {
  for (let at = block.indexOf(text); at !== -1; at = block.indexOf(text, at + 1)) yield at;
}

/** What an older attempt did beyond the step at which a later one took up is done again. */
function fold(records: readonly JournalRecord[], before = emptyOutcome()): Outcome {
  const outcome = { ...before };
  let evaluations = before.evaluated ? [before.evaluated] : [];
  for (const record of records) {
    if (record.type === 'step') Object.assign(outcome, { loss: record.metrics.loss ?? null, step: record.step });
    else if (record.type === 'prepared') outcome.steps = record.steps;
    else if (record.type === 'evaluated') evaluations.push(record);
    else if (record.type === 'resumed') evaluations = evaluations.filter(({ step }) => step <= record.fromStep);
  }
  return { ...outcome, evaluated: evaluations.at(-1) ?? null };
}
