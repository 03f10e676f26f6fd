/**
 * Lines of the trainer protocol: decoding both directions, and numbers that JSON does not have. Knows nothing of
 * streams or processes.
 */
import * as z from 'zod';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import {
  type ScoredEvent,
  scoredEventSchema,
  type TrainerCommand,
  type TrainerEvent,
  trainerEventSchema,
} from './trainer.ts';

export type Decoded<T> = { ok: true; value: T } | { ok: false; problem: string };

const messageSchema = z.discriminatedUnion('type', [...trainerEventSchema.options, scoredEventSchema]);

/** What may stand on a trainer's stdout: an event, or scores that are still to become one. */
export function decodeTrainerMessage(line: string): Decoded<TrainerEvent | ScoredEvent> {
  return decode(line, value => (isPlainStep(value) ? { success: true, data: value } : messageSchema.safeParse(value)));
}

const recordOf = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

export const startCommandSchema = z.object({
  type: z.literal('start'),
  job: z.enum(['prepare', 'train', 'evaluate', 'check', 'generate', 'merge']),
  attempt: z.number().int().min(1),
  recipe: z.custom<ResolvedRecipe>(recordOf, 'no recipe'),
  paths: z.record(z.string(), z.string()),
  outputs: z.object({
    checkpoints: z.string(),
    items: z.string(),
    samples: z.string(),
    model: z.string(),
    cache: z.string(),
  }),
  prepared: z.string().optional(),
  threads: z.number().int().min(1).optional(),
  resume: z.object({ checkpoint: z.string(), fork: z.boolean().optional() }).optional(),
});

export const trainerCommandSchema = z.discriminatedUnion('type', [
  startCommandSchema,
  z.object({ type: z.literal('stop') }),
  z.object({ type: z.literal('checkpoint') }),
  z.object({ type: z.literal('recorded'), checkpoint: z.string() }),
  z.object({ type: z.literal('pause') }),
  z.object({ type: z.literal('resume') }),
]);

export function decodeTrainerCommand(line: string): Decoded<TrainerCommand> {
  return decode(line, value => trainerCommandSchema.safeParse(value));
}

export function encodeLine(message: TrainerCommand | TrainerEvent | ScoredEvent): string {
  return `${JSON.stringify(message)}\n`;
}

export type Metrics = Record<string, number | null>;

/** Splits numbers that are not finite off: they travel as null and are named. */
export function travelling(values: Record<string, number>): {
  metrics: Metrics;
  nonFinite?: Record<string, 'nan' | 'inf' | '-inf'>;
} {
  const metrics: Metrics = {};
  const nonFinite: Record<string, 'nan' | 'inf' | '-inf'> = {};
  for (const [name, value] of Object.entries(values)) {
    metrics[name] = Number.isFinite(value) ? value : null;
    if (!Number.isFinite(value)) nonFinite[name] = Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  }
  return Object.keys(nonFinite).length > 0 ? { metrics, nonFinite } : { metrics };
}

type Checked<T> = { success: true; data: T } | { success: false; error: z.ZodError };

function decode<T>(line: string, check: (value: unknown) => Checked<T>): Decoded<T> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { ok: false, problem: `not JSON: ${shorten(line)}` };
  }
  const checked = check(value);
  if (checked.success) return { ok: true, value: checked.data };
  const issue = checked.error.issues[0];
  return {
    ok: false,
    problem: `${issue?.path.join('.') || 'message'}: ${issue?.message ?? 'unknown'}: ${shorten(line)}`,
  };
}

/** Steps are nearly all lines of a long run: the same check as the schema's, by hand. */
export function isPlainStep(value: unknown): value is TrainerEvent & { type: 'step' } {
  const event = value as { type?: unknown; step?: unknown; metrics?: unknown; nonFinite?: unknown } | null;
  if (event?.type !== 'step' || !Number.isInteger(event.step) || event.nonFinite !== undefined) return false;
  if (!recordOf(event.metrics)) return false;
  const metrics = event.metrics as Record<string, unknown>;
  for (const name in metrics) if (typeof metrics[name] !== 'number' && metrics[name] !== null) return false;
  return true;
}

function shorten(line: string): string {
  return line.length <= 120 ? line : `${line.slice(0, 120)}…`;
}
