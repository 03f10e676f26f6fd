/**
 * Frees the disk of checkpoints of a run that is over, by the rule that trainers use while a run lives. Whatever the rule
 * says, two stay: the newest that can be read, and the one that a resume would go on from.
 */
import { lstatSync } from 'node:fs';
import { rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { expendable, type RetentionRule } from '../domain/retention.ts';
import { type CheckpointName, damageOf, listCheckpoints } from './checkpointFiles.ts';
import { folderBytes } from './diskUse.ts';
import { loadRun } from './loadRun.ts';
import { findResumePoint } from './resumePoint.ts';
import type { RunFolder } from './runFolder.ts';
import { fromSystem, RunsError } from './runsError.ts';
import { readJsonChecked } from './safeFile.ts';
import { isOver, statusOf } from './status.ts';
import type { Store } from './store.ts';

export type KeepRule = Omit<RetentionRule, 'bestStep'>;

export interface Cleaning {
  run: RunFolder;
  goes: { name: string; step: number; bytes: number }[];
  stays: { name: string; step: number; asked?: boolean }[];
}

/** What a rule would remove; nothing is. Throws for a run that lives. */
export async function planCleaning(run: RunFolder, rule: KeepRule): Promise<Cleaning> {
  await refuseUnlessOver(run);
  const isFolder = lstatSync(run.checkpoints, { throwIfNoEntry: false })?.isDirectory();
  const checkpoints = isFolder ? await listCheckpoints(run.checkpoints) : [];
  const next = checkpoints.length > 1 ? await nextBeginning(run) : null;
  const good = next && next.name === checkpoints.at(-1)?.name ? next : await newestGood(run, checkpoints);
  const counted = next ?? good;
  const bestStep = counted ? await bestStepIn(run, counted) : null;
  const isNeeded = ({ name }: CheckpointName): boolean => name === good?.name || name === next?.name;
  const goes = good ? expendable(checkpoints, { ...rule, bestStep }).filter(checkpoint => !isNeeded(checkpoint)) : [];
  const names = new Set(goes.map(({ name }) => name));
  return {
    run,
    goes: goes.map(({ name, step }) => ({ name, step, bytes: folderBytes(join(run.checkpoints, name)) })),
    stays: checkpoints
      .filter(({ name }) => !names.has(name))
      .map(({ name, step, asked }) => ({ name, step, ...(asked && { asked }) })),
  };
}

/** Refuses a run that somebody has resumed since the plan was made. */
export async function clean(store: Store, { run, goes }: Cleaning): Promise<void> {
  await refuseUnlessOver(run);
  for (const { name } of goes) {
    const folder = join(run.checkpoints, name);
    // Out of the way in one step: half a checkpoint never carries its name.
    const gone = join(run.checkpoints, `.gone-${name}`);
    try {
      await rename(folder, gone);
      await rm(gone, { recursive: true, force: true, maxRetries: 5 });
    } catch (error) {
      throw fromSystem(error, folder, 'removing');
    }
  }
  const now = Date.now() / 1000;
  await utimes(run.folder, now, now).catch(() => {});
  await store.announce();
}

async function refuseUnlessOver(run: RunFolder): Promise<void> {
  const { status } = await statusOf(run);
  if (isOver(status)) return;
  const remedy = 'While it lives, checkpoint.keep of its recipe decides.';
  throw new RunsError('run-lives', `${run.id} is ${status}`, { file: run.folder, remedy });
}

/** Where a resume would take it up: often not the newest, when its runner was killed. */
async function nextBeginning(run: RunFolder): Promise<CheckpointName | null> {
  try {
    const { request, state } = await loadRun(run);
    return (await findResumePoint({ run, request, state })).checkpoint;
  } catch (error) {
    // One that cannot be read goes on from nowhere.
    if (error instanceof RunsError) return null;
    throw error;
  }
}

/** Without one that can be read nothing is removed: who knows what the others are good for. */
async function newestGood(run: RunFolder, checkpoints: readonly CheckpointName[]): Promise<CheckpointName | null> {
  for (const checkpoint of checkpoints.toReversed()) {
    if ((await damageOf(join(run.checkpoints, checkpoint.name))) === null) return checkpoint;
  }
  return null;
}

const countersSchema = z.object({ bestStep: z.number().int().nullable() });

async function bestStepIn(run: RunFolder, { name }: CheckpointName): Promise<number | null> {
  const file = join(run.checkpoints, name, 'counters.json');
  const counters = await readJsonChecked(file, countersSchema, 1024 * 1024).catch(() => null);
  return counters?.bestStep ?? null;
}
