/** What a list shows of a run: one row, made from its request, its status, the end of its journal and what lies on the disk. */
import { basename } from 'node:path';
import * as z from 'zod';
import { worstVerdict } from '../domain/statistics.ts';
import type { RunStatus } from '../protocol/result.ts';
import { type EvaluatedEvent, verdictSchema } from '../protocol/trainer.ts';
import { nameOfFile } from '../recipe/resolve.ts';
import { diskUseOf } from './diskUse.ts';
import type { RunFolder, RunRequest } from './runFolder.ts';
import { emptyOutcome, OutcomeReader } from './runOutcome.ts';
import { RunsError } from './runsError.ts';
import { readFileChecked } from './safeFile.ts';
import { isSealed } from './seal.ts';
import { statusOf } from './status.ts';
import type { Store } from './store.ts';

const statuses = ['queued', 'running', 'paused', 'finished', 'stopped', 'failed', 'lost', 'stale'] as const;

export const runSummarySchema = z.object({
  id: z.string(),
  name: z.string(),
  /** By the user, in the list or at its start: the recipe says nothing of this name. */
  named: z.boolean(),
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
  /** Those that are on the disk, oldest first. */
  checkpoints: z.array(z.object({ step: z.number(), folder: z.string().regex(/^[\w-]+$/), bytes: z.number() })),
  /** Everything in its folder. */
  bytes: z.number(),
  star: z.boolean(),
  hidden: z.boolean(),
  tags: z.array(z.string()),
  colour: z.number().nullable(),
  /** As far as a search looks. */
  notes: z.string(),
  /** Made elsewhere, imported or come with a repository: looked at and compared, never started. */
  foreign: z.boolean(),
});
export type RunSummary = z.infer<typeof runSummarySchema>;

const largestNotes = 1024 * 1024;
const searchedNotes = 16 * 1024;

/** `null` for a folder without a readable request: it is no run. */
export async function summarise(
  store: Store,
  run: RunFolder,
  outcome = new OutcomeReader(),
): Promise<RunSummary | null> {
  const request = await run.request().catch(nothingWhenDamaged);
  if (!request) return null;
  const [status, user, told, notes, sealed] = await Promise.all([
    statusOf(run),
    run.user().catch(nothingWhenDamaged),
    outcome.read(run).catch(nothingWhenDamaged),
    readFileChecked(run.notes, largestNotes).catch(nothingWhenDamaged),
    isSealed(request, store.folder),
  ]);
  const { evaluated, steps, loss } = told ?? emptyOutcome();
  const { bytes, checkpoints } = diskUseOf(run.folder);
  return {
    id: run.id,
    name: user?.name ?? request.name,
    named: user?.name !== undefined || !isNameOfRecipe(request),
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
    checkpoints: checkpoints.map(({ step, name, bytes }) => ({ step, folder: name, bytes })),
    bytes,
    star: user?.star ?? false,
    hidden: user?.hidden ?? false,
    tags: user?.tags ?? [],
    colour: user?.colour ?? null,
    notes: (notes ?? '').slice(0, searchedNotes),
    foreign: !sealed,
  };
}

const isNameOfRecipe = ({ name, recipeFile, recipeText }: RunRequest): boolean =>
  name === nameOfFile(recipeFile) || recipeText.includes(name);

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
