/**
 * The journal of a run, `journal.ndjson`: every trainer event and what the runner itself saw, one line a write call.
 * Written by the runner alone. A record's `crc` covers the bytes of its line before `,"crc"`.
 */
import * as z from 'zod';
import { trainerEventSchema } from './trainer.ts';

export const journalVersion = 1;

const stamp = {
  v: z.number().int(),
  attempt: z.number().int().min(1),
  /** Runs on over attempts; a gap is counted and shown. */
  seq: z.number().int().min(0),
  /** Milliseconds since 1970. */
  t: z.number(),
};
export const stampSchema = z.object(stamp);
export type Stamp = z.infer<typeof stampSchema>;

export const runnerEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('launched'), engine: z.string(), node: z.string(), reason: z.string() }),
  z.object({ type: z.literal('handled'), command: z.string(), id: z.string(), note: z.string().optional() }),
  /** Resident memory of the trainer, and GPU load where there is one. */
  z.object({ type: z.literal('resources'), metrics: z.record(z.string(), z.number()) }),
  z.object({
    type: z.literal('resumed'),
    fromStep: z.number().int(),
    checkpoint: z.string(),
  }),
  z.object({
    type: z.literal('exited'),
    code: z.number().int().nullable(),
    signal: z.string().nullable(),
    reason: z.string(),
    stderr: z.array(z.string()),
  }),
]);
export type RunnerEvent = z.infer<typeof runnerEventSchema>;

export const journalEventSchema = z.union([trainerEventSchema, runnerEventSchema]);
export type JournalEvent = z.infer<typeof journalEventSchema>;
export type JournalRecord = Stamp & JournalEvent;
