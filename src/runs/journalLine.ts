/**
 * One line of a journal: stamped, checked. The `crc` covers the bytes before `,"crc"`. Knows nothing of files.
 */
import { crc32 } from 'node:zlib';
import {
  type JournalEvent,
  type JournalRecord,
  journalEventSchema,
  journalVersion,
  type Stamp,
} from '../protocol/journal.ts';
import { isPlainStep } from '../protocol/trainerLines.ts';

export function encodeJournalLine(stamp: Omit<Stamp, 'v'>, event: JournalEvent): string {
  const { attempt, seq, t } = stamp;
  const body = JSON.stringify({ v: journalVersion, attempt, seq, t, ...event }).slice(0, -1);
  return `${body},"crc":${crc32(body)}}\n`;
}

export type JournalLine =
  | { kind: 'record'; record: JournalRecord }
  /** Whole, but of a newer version or an unknown type: passed over, and said. */
  | { kind: 'unknown'; stamp: Stamp }
  | { kind: 'bad' };

const bad: JournalLine = { kind: 'bad' };

export function decodeJournalLine(text: string): JournalLine {
  const border = text.lastIndexOf(',"crc":');
  if (border === -1 || !text.endsWith('}')) return bad;
  if (crc32(text.slice(0, border)) !== Number(text.slice(border + 7, -1))) return bad;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return bad;
  }
  const stamp = stampOf(value);
  if (!stamp) return bad;
  if (isPlainStep(value)) {
    // Named one by one: a spread takes as long as all else here, and nearly every line of a long journal is a step.
    const { v, attempt, seq, t } = stamp;
    const { type, step, metrics } = value;
    return { kind: 'record', record: { v, attempt, seq, t, type, step, metrics } };
  }
  const event = journalEventSchema.safeParse(value);
  return event.success ? { kind: 'record', record: { ...stamp, ...event.data } } : { kind: 'unknown', stamp };
}

/** By hand: it is asked for every line of a long journal. */
function stampOf(value: unknown): Stamp | null {
  const { v, attempt, seq, t } = (value ?? {}) as Partial<Stamp>;
  const isWhole = (number: unknown, least: number): number is number =>
    Number.isInteger(number) && Number(number) >= least;
  if (!isWhole(v, 1) || !isWhole(attempt, 1) || !isWhole(seq, 0) || typeof t !== 'number') return null;
  return { v, attempt, seq, t };
}
