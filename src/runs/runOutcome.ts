/**
 * What a journal tells of how far a run came: last loss, last evaluation, steps to go. A list of ten thousand runs asks
 * this of each, so the end of the journal is read first, and all of it only when the end does not tell.
 */

import type { JournalRecord } from '../protocol/journal.ts';
import { LineSplitter } from '../protocol/lineSplitter.ts';
import type { EvaluatedEvent } from '../protocol/trainer.ts';
import { readJournal } from './journal.ts';
import { decodeJournalLine } from './journalLine.ts';
import type { RunFolder } from './runFolder.ts';
import { openChecked } from './safeFile.ts';

export interface Outcome {
  evaluated: EvaluatedEvent | null;
  /** Of the whole run; null where the part that was read does not say. */
  steps: number | null;
  loss: number | null;
  /** The last one that was told. */
  step: number;
}

/** Final evaluations, answers and the exit record fit into the first. */
const tailBytes = [24 * 1024, 512 * 1024];

export async function readOutcome(run: RunFolder): Promise<Outcome> {
  for (const length of tailBytes) {
    const { lines, isAll } = await linesAtEnd(run, length);
    const outcome = fold(told(lines));
    if (isAll || (outcome.evaluated && outcome.loss !== null)) return outcome;
  }
  const outcome = emptyOutcome();
  for await (const { records } of readJournal(run)) for (const record of records) take(outcome, record);
  return outcome;
}

/** Of the steps only the last counts; most lines are steps. */
function told(lines: readonly string[]): JournalRecord[] {
  const last = lines.findLastIndex(isStep);
  const decoded = lines.filter((line, index) => index === last || !isStep(line)).map(decodeJournalLine);
  return decoded.flatMap(line => (line.kind === 'record' ? [line.record] : []));
}

const isStep = (line: string): boolean => line.includes('"type":"step"');

export const emptyOutcome = (): Outcome => ({ evaluated: null, steps: null, loss: null, step: 0 });

function fold(records: readonly JournalRecord[]): Outcome {
  const outcome = emptyOutcome();
  for (const record of records) take(outcome, record);
  return outcome;
}

function take(outcome: Outcome, record: JournalRecord): void {
  if (record.type === 'step') Object.assign(outcome, { loss: record.metrics.loss ?? null, step: record.step });
  else if (record.type === 'evaluated') outcome.evaluated = record;
  else if (record.type === 'prepared') outcome.steps = record.steps;
  // What an older attempt did after this step is done again.
  else if (record.type === 'resumed' && (outcome.evaluated?.step ?? 0) > record.fromStep) outcome.evaluated = null;
}

async function linesAtEnd(run: RunFolder, length: number): Promise<{ lines: string[]; isAll: boolean }> {
  const handle = await openChecked(run.journalFile);
  if (!handle) return { lines: [], isAll: true };
  try {
    const { size } = await handle.stat();
    const from = Math.max(0, size - length);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
    const lines = new LineSplitter().push(buffer.subarray(0, bytesRead));
    // The first one is cut off.
    if (from > 0) lines.shift();
    return { lines: lines.flatMap(line => ('text' in line ? [line.text] : [])), isAll: from === 0 };
  } finally {
    await handle.close();
  }
}
