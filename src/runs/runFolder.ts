/**
 * One run's folder: where its files are and checked readers for the small ones. Everything read here may be forged:
 * sizes are limited, links are not followed, shapes are checked. Knows nothing of what the files mean together.
 */
import { join } from 'node:path';
import * as z from 'zod';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { type ProcessIdentity, processIdentitySchema } from './processIdentity.ts';
import { readJsonChecked } from './safeFile.ts';

export const runFormat = 1;

const absolute = z.string().min(1).max(4096);
const checkpointName = z.string().regex(/^a[1-9]\d{0,6}-step-\d{1,12}$/);
const shortText = z.string().max(1024);

export const gitStateSchema = z.object({
  commit: z.string().max(64).nullable(),
  branch: z.string().max(256).nullable(),
  dirty: z.boolean(),
  /** Uncommitted changes; secrets and big files left out. */
  diff: z.string(),
  leftOut: z.array(z.string()),
});
export type GitState = z.infer<typeof gitStateSchema>;

/** `run.json`: the request, written once before anything starts. */
export const runRequestSchema = z.object({
  v: z.number().int(),
  id: z.string().regex(/^[a-z0-9-]{1,64}$/),
  /** Milliseconds since 1970; the queue's order. */
  createdAt: z.number(),
  name: shortText,
  variant: shortText,
  recipeFile: absolute,
  recipeText: z.string().max(256 * 1024),
  /** Every default written out. Made by our own resolver; the seal vouches for it before it is run. */
  recipe: z.custom<ResolvedRecipe>(isRecipeShaped, 'no resolved recipe'),
  /** Path as written → absolute path. */
  paths: z.record(z.string().max(1024), absolute),
  engine: z.object({
    folder: absolute,
    version: shortText,
    /** A trainer program in place of the folder's own, with its arguments. */
    trainer: z.array(z.string().max(4096)).min(1).max(64).optional(),
    /** What runs the torch engine; without it the embedded one trains. */
    python: z.object({ path: absolute, reason: shortText }).optional(),
    /** The user's own training program, and the folder it is started in. */
    command: z.object({ words: z.array(z.string().max(4096)).min(1).max(64), folder: absolute }).optional(),
    /** Why this engine. */
    reason: shortText.optional(),
  }),
  node: z.object({ path: absolute, env: z.record(z.string(), z.string()), reason: shortText }),
  argv: z.array(z.string().max(4096)).max(256),
  seeds: z.record(z.string(), z.number()),
  threads: z.number().int().min(1).max(1024).optional(),
  git: gitStateSchema.nullable(),
  /** Forked from another run, whose checkpoint was copied into this one's folder: it begins there. */
  parent: z
    .object({ run: z.string().regex(/^[a-z0-9-]{1,64}$/), step: z.number().int(), checkpoint: checkpointName })
    .optional(),
  /** Runs of one comparison share it. */
  group: z.string().max(64).optional(),
  /** The terminal that owns the run: when it is gone the run is stopped. */
  owner: processIdentitySchema.optional(),
  /** Proves that the request was made by this user; others are shown but never run. */
  seal: z.string().max(128),
});
export type RunRequest = z.infer<typeof runRequestSchema>;

const markedProcess = z.object({ identity: processIdentitySchema, marker: z.string().max(128) });

/** `process.json`: who runs it. A pid alone is never an identity. */
export const runProcessSchema = z.object({
  v: z.number().int(),
  attempt: z.number().int().min(1),
  startedAt: z.number(),
  runner: markedProcess,
  trainer: markedProcess.nullable(),
});
export type RunProcess = z.infer<typeof runProcessSchema>;

/** `resume.json`: one more attempt is wanted, from a checkpoint or (`null`) from the start. */
export const runResumeSchema = z.object({
  v: z.number().int(),
  attempt: z.number().int().min(2).max(1_000_000),
  checkpoint: checkpointName.nullable(),
  t: z.number(),
  /** The terminal that owns this attempt. */
  owner: processIdentitySchema.optional(),
});
export type RunResume = z.infer<typeof runResumeSchema>;

export const heartbeatSchema = z.object({
  attempt: z.number().int().min(1),
  step: z.number().int(),
  t: z.number(),
  /** The same moment by the clock that nobody sets; see `Clock`. */
  up: z.number(),
  paused: z.boolean(),
  /** Why it is paused, when nobody asked for it: in words. */
  waitsFor: z.string().max(512).optional(),
  /** How long the trainer had said nothing. */
  silentMs: z.number(),
  /** The trainer's process has not run since the beat before. */
  idle: z.boolean(),
});
export type Heartbeat = z.infer<typeof heartbeatSchema>;

export const errorReportSchema = z.object({
  code: z.string().max(128),
  message: z.string().max(16_384),
  file: z.string().max(4096).optional(),
  line: z.number().int().optional(),
  remedy: z.string().max(4096).optional(),
});

/** `exit.json`: how an attempt ended. */
export const runExitSchema = z.object({
  v: z.number().int(),
  attempt: z.number().int().min(1),
  /** `lost`: of a copy made elsewhere, in which nobody has written how it ended. */
  outcome: z.enum(['finished', 'stopped', 'failed', 'lost']),
  code: z.number().int().nullable(),
  signal: z.string().max(32).nullable(),
  /** In words. */
  reason: z.string().max(16_384),
  error: errorReportSchema.optional(),
  /** The rule of the recipe that ended it. */
  stopRule: z.string().max(1024).optional(),
  lastStep: z.number().int(),
  stderr: z.array(z.string()).max(64),
  t: z.number(),
});
export type RunExit = z.infer<typeof runExitSchema>;

/** `user.json`: what the user says of a run. */
export const runUserSchema = z.object({
  name: z.string().max(256).optional(),
  tags: z.array(z.string().max(64)).max(64).optional(),
  star: z.boolean().optional(),
  colour: z.number().int().min(0).max(63).optional(),
  hidden: z.boolean().optional(),
});
export type RunUser = z.infer<typeof runUserSchema>;

const kilobyte = 1024;

export class RunFolder {
  readonly id: string;
  readonly folder: string;

  constructor(id: string, folder: string) {
    this.id = id;
    this.folder = folder;
  }

  readonly file = (name: string): string => join(this.folder, name);

  get runJson(): string {
    return this.file('run.json');
  }
  get processJson(): string {
    return this.file('process.json');
  }
  get exitJson(): string {
    return this.file('exit.json');
  }
  get resumeJson(): string {
    return this.file('resume.json');
  }
  get heartbeatFile(): string {
    return this.file('heartbeat');
  }
  get journalFile(): string {
    return this.file('journal.ndjson');
  }
  get controlFile(): string {
    return this.file('control.ndjson');
  }
  get trainerLog(): string {
    return this.file('trainer.log');
  }
  get userJson(): string {
    return this.file('user.json');
  }
  get notes(): string {
    return this.file('notes.md');
  }
  get checkpoints(): string {
    return this.file('checkpoints');
  }
  get items(): string {
    return this.file('items');
  }
  get samples(): string {
    return this.file('samples');
  }
  get model(): string {
    return this.file('model');
  }
  /** For trainers that read no data themselves; there only while one runs. */
  get prepared(): string {
    return this.file('prepared');
  }

  /** Readers give `null` when there is no file and throw `RunsError('damaged')` when it is not what it should be. */
  request(): Promise<RunRequest | null> {
    return readJsonChecked(this.runJson, runRequestSchema, 8 * kilobyte * kilobyte);
  }
  process(): Promise<RunProcess | null> {
    return readJsonChecked(this.processJson, runProcessSchema, 16 * kilobyte);
  }
  exit(): Promise<RunExit | null> {
    return readJsonChecked(this.exitJson, runExitSchema, 256 * kilobyte);
  }
  resume(): Promise<RunResume | null> {
    return readJsonChecked(this.resumeJson, runResumeSchema, 16 * kilobyte);
  }
  heartbeat(): Promise<Heartbeat | null> {
    return readJsonChecked(this.heartbeatFile, heartbeatSchema, 4 * kilobyte);
  }
  user(): Promise<RunUser | null> {
    return readJsonChecked(this.userJson, runUserSchema, 64 * kilobyte);
  }
}

export type { ProcessIdentity };

/** Enough for a list and a panel to read it without throwing; the whole shape is vouched for by the seal. */
function isRecipeShaped(value: unknown): boolean {
  const recipe = value as Partial<ResolvedRecipe> | null;
  if (typeof recipe !== 'object' || recipe === null) return false;
  const sections = [recipe.data, recipe.data?.eval, recipe.retain, recipe.retain?.probes, recipe.method, recipe.train];
  return (
    typeof recipe.name === 'string' &&
    typeof recipe.model === 'string' &&
    sections.every(section => typeof section === 'object' && section !== null)
  );
}
