/** `control.ndjson`: what anyone asks of a run, append only. The journal records each as handled. */
import * as z from 'zod';

export const controlCommandSchema = z.object({
  v: z.literal(1),
  id: z.string().min(1).max(64),
  t: z.number(),
  /** Commands for older attempts are ignored. */
  attempt: z.number().int().min(1),
  type: z.enum(['stop', 'checkpoint', 'pause', 'resume', 'note']),
  text: z.string().max(4096).optional(),
});
export type ControlCommand = z.infer<typeof controlCommandSchema>;
