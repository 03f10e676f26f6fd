/**
 * Going on with a run that is over: as its next attempt, or as a new run that names it as its parent. Everything that
 * speaks against it is found before anything is written; a runner then takes it from the queue.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { RunState } from '../domain/runState.ts';
import { flattenSettings, resolveRecipe } from '../recipe/resolve.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { presentAttempt } from './attempts.ts';
import { type CreateRun, createRun, resolveText } from './createRun.ts';
import { isPattern } from './dataFiles.ts';
import { loadRun } from './loadRun.ts';
import { endOrphan } from './orphans.ts';
import type { ProcessIdentity } from './processIdentity.ts';
import { asItIs, refuseForeign } from './rerun.ts';
import { findResumePoint, type ResumePoint } from './resumePoint.ts';
import { type RunFolder, type RunRequest, type RunResume, runFormat } from './runFolder.ts';
import { RunsError } from './runsError.ts';
import { writeJsonSafely } from './safeFile.ts';
import { isOver, type StatusOfRun } from './status.ts';
import type { Store } from './store.ts';
import { runTrainerJob } from './trainerJob.ts';

export interface ResumeRun {
  store: Store;
  run: RunFolder;
  /** A checkpoint's name or step, or `start`; default: the newest that can be used. */
  from?: string;
  /** `key=value` on the run's own settings. */
  overrides?: string[];
  /** Also when the recipe's file says something else by now. */
  asItRan?: boolean;
  /** The terminal that owns the attempt. */
  owner?: ProcessIdentity;
  /** The workspace is trusted: the trainer is asked whether the checkpoint fits. */
  trusted: boolean;
}

export interface Resumed extends ResumePoint {
  run: RunFolder;
  attempt: number;
}

/** Asks for one more attempt. Throws with what differs when the run would not be the same run. */
export async function resumeRun(options: ResumeRun): Promise<Resumed> {
  const { store, run, from, owner } = options;
  await endOrphan(run);
  const { request, state, status } = await loadRun(run);
  refuseUnlessOver(run, status, state);
  await refuseForeign(store, request);
  refuseCopy(run, request);
  refuseOtherSettings(request, wantedSettings(request, options.overrides));
  if (!options.asItRan) await refuseOtherRecipe(request);
  refuseMissingFiles(request);
  const point = await findResumePoint({ run, request, state }, from);
  await refuseOtherFiles(run, request, point, options.trusted);
  const resume: RunResume = {
    v: runFormat,
    // After one that was cancelled while it waited, too: its stop is still on file.
    attempt: (await presentAttempt(run)) + 1,
    checkpoint: point.checkpoint?.name ?? null,
    t: Date.now(),
    ...(owner && { owner }),
  };
  await writeJsonSafely(run.resumeJson, resume);
  await store.announce();
  return { run, attempt: resume.attempt, ...point };
}

export interface ForkRun extends Omit<ResumeRun, 'trusted' | 'asItRan'> {
  /** What this machine brings to a new run. */
  machine: Pick<CreateRun, 'engineFolder' | 'node' | 'pythonWish' | 'modelRoots' | 'threads' | 'trainer'>;
  name?: string;
}

/** A new run that begins at a checkpoint of another and may differ in its settings. The other may still be going on. */
export async function forkRun(options: ForkRun): Promise<Resumed> {
  const { store, run, from, owner, machine, name } = options;
  const { request, state } = await loadRun(run);
  await refuseForeign(store, request);
  const point = await findResumePoint({ run, request, state }, from);
  if (!point.checkpoint) {
    throw new RunsError('no-checkpoint', `${run.id} has no checkpoint that a new run could begin at`, {
      file: run.checkpoints,
      remedy: `Start the recipe again: holdfast run ${request.recipeFile}.`,
    });
  }
  const resolved = { ...withOverrides(request, options.overrides), name: name ?? `${request.name}-fork` };
  const { recipeFile, recipeText } = request;
  const parent = { run, checkpoint: point.checkpoint };
  const variant = 'as-written';
  const fork = await createRun({ ...machine, recipeFile, recipeText, variant, resolved, store, parent, owner });
  return { run: fork, attempt: 1, ...point };
}

function refuseUnlessOver(run: RunFolder, { status, reason }: StatusOfRun, state: RunState): void {
  if (status === 'finished') {
    throw new RunsError('run-finished', `${run.id} has finished: there is nothing left to do`, {
      remedy: `To train on: holdfast resume ${run.id} --fork --set train.max_steps=${2 * state.step}.`,
    });
  }
  if (isOver(status)) return;
  const remedy = status === 'queued' ? 'Its turn will come: holdfast ls.' : `Stop it first: holdfast stop ${run.id}.`;
  throw new RunsError('run-not-over', `${run.id} is ${status}${reason ? `: ${reason}` : ''}`, { remedy });
}

/** Somebody copied its folder by hand: the queue takes the run itself. */
function refuseCopy(run: RunFolder, { id }: RunRequest): void {
  if (id === run.id) return;
  throw new RunsError('not-ours', `${run.folder} is a copy of ${id}`, {
    file: run.runJson,
    remedy: `Go on with the run itself: holdfast resume ${id}. With the copy, as a new run: holdfast resume ${run.id} --fork.`,
  });
}

/** Of a run that goes on as it is: what does not even fit together is no reason to mend it, but to fork. */
function wantedSettings(request: RunRequest, overrides: string[] = []): ResolvedRecipe {
  try {
    return withOverrides(request, overrides);
  } catch (cause) {
    const message = `The run would not be the same run with ${overrides.join(', ')}; ${(cause as Error).message}`;
    throw new RunsError('recipe-changed', message, { file: request.recipeFile, remedy: forking, cause });
  }
}

function withOverrides({ recipe, recipeFile, name }: RunRequest, overrides: string[] = []): ResolvedRecipe {
  if (overrides.length === 0) return recipe;
  const { variant, ...resolved } = recipe;
  const { micro_batch_size: micro, ...train } = resolved.train;
  // A batch that was not cut is not cut at another size either.
  const written = { ...resolved, train: micro === train.batch_size ? train : resolved.train };
  const fileName = basename(recipeFile);
  return { ...resolveRecipe(written, { variant: 'as-written', fileName, overrides, name }), variant };
}

/** The file that a run was made of may be edited, for the next one or for this one: whoever resumes says which is meant. */
async function refuseOtherRecipe(request: RunRequest): Promise<void> {
  const { recipeFile } = request;
  const recipeText = await readFile(recipeFile, 'utf8').catch(() => null);
  if (recipeText === null || recipeText === request.recipeText) return;
  const remedy = 'To go on with the settings it has: --as-it-ran. With others, in a new run: --fork --set KEY=VALUE.';
  let wanted: ResolvedRecipe;
  try {
    wanted = {
      ...resolveText(recipeFile, recipeText, asItIs(request, recipeText)),
      name: request.recipe.name,
      variant: request.recipe.variant,
    };
  } catch (cause) {
    const message = `${recipeFile} has changed since, and cannot be read: ${(cause as Error).message}`;
    throw new RunsError('recipe-changed', message, { file: recipeFile, remedy, cause });
  }
  refuseOtherSettings(request, wanted, remedy);
}

const forking = 'Go on in a new run that names this one as its parent: holdfast resume --fork.';

function refuseOtherSettings(request: RunRequest, wanted: ResolvedRecipe, remedy = forking): void {
  const [before, now] = [flattenSettings(request.recipe), flattenSettings(wanted)];
  const differences = [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter(key => before[key] !== now[key])
    .map(key => `${key} was ${before[key] ?? 'not set'}, is ${now[key] ?? 'not set'}`);
  if (differences.length === 0) return;
  throw new RunsError('recipe-changed', `The run would not be the same run: ${differences.join('; ')}`, {
    file: request.recipeFile,
    remedy,
  });
}

/** A pattern's folder stands for the files in it: they are the trainer's to compare. */
function refuseMissingFiles({ paths, recipeFile }: RunRequest): void {
  for (const [written, path] of Object.entries(paths)) {
    if (existsSync(isPattern(path) ? dirname(path) : path)) continue;
    throw new RunsError('file-missing', `What the run reads is gone: ${written} (looked for ${path})`, {
      file: path,
      remedy: `Bring it back. With other data it is another run: holdfast run ${recipeFile}`,
    });
  }
}

/** The trainer compares data, weights and numerics with those the checkpoint was written by; nothing is recorded. */
async function refuseOtherFiles(
  run: RunFolder,
  request: RunRequest,
  { checkpoint }: ResumePoint,
  trusted: boolean,
): Promise<void> {
  // A fork's beginning was written by its parent, from which it may differ.
  if (!checkpoint || checkpoint.name === request.parent?.checkpoint) return;
  const { recipe, paths, engine, node, threads } = request;
  await runTrainerJob({
    job: 'check',
    recipe,
    paths,
    engineFolder: engine.folder,
    ...(engine.trainer && { trainer: engine.trainer }),
    ...(engine.python && { python: engine.python }),
    node,
    threads,
    trusted,
    resume: { checkpoint: join(run.checkpoints, checkpoint.name) },
  });
}
