/** What a list shows of a run: one row, made from its request, its status and one pass over its journal. */
import { basename } from 'node:path';
import { z } from 'zod';
import { worstVerdict } from '../domain/statistics.ts';
import type { RunStatus } from '../protocol/result.ts';
import { type EvaluatedEvent, verdictSchema } from '../protocol/trainer.ts';
import { readJournal } from './journal.ts';
import type { RunFolder } from './runFolder.ts';
import { RunsError } from './runsError.ts';
import { statusOf } from './status.ts';

const statuses = ['queued', 'running', 'paused', 'finished', 'stopped', 'failed', 'lost', 'stale'] as const;

export const runSummarySchema = z.object({
  id: z.string(),
  name: z.string(),
  /** File name of the recipe. */
  recipe: z.string(),
  recipeFile: z.string(),
  variant: z.string(),
  group: z.string().optional(),
  createdAt: z.number(),
  status: z.enum(statuses),
  /** In words, where the status needs some. */
  reason: z.string(),
  step: z.number(),
  steps: z.number().nullable(),
  loss: z.number().nullable(),
  /** That of the worst set at the last evaluation; null without a budget. */
  verdict: verdictSchema.nullable(),
  sets: z.record(z.string(), z.object({ value: z.number(), unit: z.string(), verdict: verdictSchema.optional() })),
  learning: z.record(z.string(), z.number()),
  checkpoints: z.array(z.object({ step: z.number(), folder: z.string(), bytes: z.number() })),
  star: z.boolean(),
  hidden: z.boolean(),
  tags: z.array(z.string()),
  colour: z.number().nullable(),
});
export type RunSummary = z.infer<typeof runSummarySchema>;

const mostCheckpoints = 50;

/** `null` for a folder without a readable request: it is no run. */
export async function summarise(run: RunFolder): Promise<RunSummary | null> {
  const request = await run.request().catch(nothingWhenDamaged);
  if (!request) return null;
  const [status, user, told] = await Promise.all([
    statusOf(run),
    run.user().catch(nothingWhenDamaged),
    readOutcome(run).catch(nothingWhenDamaged),
  ]);
  const { evaluated, steps, loss, checkpoints } = told ?? nothingTold;
  return {
    id: run.id,
    name: user?.name ?? request.name,
    recipe: basename(request.recipeFile),
    recipeFile: request.recipeFile,
    variant: request.variant,
    ...(request.group && { group: request.group }),
    createdAt: request.createdAt,
    status: status.status satisfies RunStatus,
    reason: status.reason,
    step: status.step,
    steps: steps ?? request.recipe.train.max_steps ?? null,
    loss,
    ...outcomeOf(evaluated),
    checkpoints,
    star: user?.star ?? false,
    hidden: user?.hidden ?? false,
    tags: user?.tags ?? [],
    colour: user?.colour ?? null,
  };
}

interface Told {
  evaluated: EvaluatedEvent | null;
  steps: number | null;
  loss: number | null;
  checkpoints: RunSummary['checkpoints'];
}

const nothingTold: Told = { evaluated: null, steps: null, loss: null, checkpoints: [] };

async function readOutcome(run: RunFolder): Promise<Told> {
  const told: Told = { ...nothingTold, checkpoints: [] };
  for await (const { records } of readJournal(run)) {
    for (const record of records) {
      if (record.type === 'step') told.loss = record.metrics.loss ?? null;
      else if (record.type === 'evaluated') told.evaluated = record;
      else if (record.type === 'prepared') told.steps = record.steps;
      else if (record.type === 'checkpointed') {
        const { step, folder, bytes } = record;
        told.checkpoints = [...told.checkpoints, { step, folder, bytes }].slice(-mostCheckpoints);
      }
    }
  }
  return told;
}

function outcomeOf(evaluated: EvaluatedEvent | null): Pick<RunSummary, 'verdict' | 'sets' | 'learning'> {
  if (!evaluated) return { verdict: null, sets: {}, learning: {} };
  const sets = Object.entries(evaluated.forgetting).map(([name, { value, unit, verdict }]) => [
    name,
    { value, unit, ...(verdict && { verdict }) },
  ]);
  const learning = Object.entries(evaluated.learning).map(([name, { value }]) => [name, value]);
  return {
    verdict: worstVerdict(Object.values(evaluated.forgetting).map(({ verdict }) => verdict)),
    sets: Object.fromEntries(sets),
    learning: Object.fromEntries(learning),
  };
}

function nothingWhenDamaged(error: unknown): null {
  if (error instanceof RunsError) return null;
  throw error;
}
