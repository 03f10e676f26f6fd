/** What HoldfastCallback may say: events of the protocol, and how the program begins and ends. Checks what comes in. */
import * as z from 'zod';
import { progressEvent, sampleEvent, scoredEventSchema, stepEvent } from '../protocol/trainer.ts';

const begin = z.object({
  type: z.literal('begin'),
  parameters: z.number().int(),
  trainedParameters: z.number().int(),
  trained: z.string().max(4096),
  /** Optimizer steps of the whole run, as far as the program knows. */
  steps: z.number().int(),
  runtime: z.object({ name: z.string(), provider: z.string() }),
  environment: z.record(z.string(), z.string()),
  warnings: z.array(z.string()),
});
export type Begin = z.infer<typeof begin>;

const lineSchema = z.discriminatedUnion('type', [
  begin,
  stepEvent,
  scoredEventSchema,
  progressEvent,
  sampleEvent,
  /** It cannot watch this model; the program goes down with it. */
  z.object({ type: z.literal('refused'), code: z.string(), message: z.string(), remedy: z.string().optional() }),
  z.object({ type: z.literal('end'), step: z.number().int(), tokens: z.number().int() }),
]);
export type CallbackLine = z.infer<typeof lineSchema>;

/** Null for what is no such line. */
export function decodeCallbackLine(text: string): CallbackLine | null {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
