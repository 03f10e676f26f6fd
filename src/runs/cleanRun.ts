/**
 * Frees the disk of checkpoints of a run that is over, by the rule that trainers use while a run lives. The newest one
 * that can be read stays, whatever the rule says.
 */
import { lstatSync } from 'node:fs';
import { rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { expendable, type RetentionRule } from '../domain/retention.ts';
import { type CheckpointName, damageOf, listCheckpoints } from './checkpointFiles.ts';
import { folderBytes } from './diskUse.ts';
import type { RunFolder } from './runFolder.ts';
import { fromSystem, RunsError } from './runsError.ts';
import { readJsonChecked } from './safeFile.ts';
import { isOver, statusOf } from './status.ts';
import type { Store } from './store.ts';

export type KeepRule = Pick<RetentionRule, 'keep' | 'keepEvery'>;

export interface Cleaning {
  run: RunFolder;
  goes: { name: string; step: number; bytes: number }[];
  stays: { name: string; step: number }[];
}

/** What a rule would remove; nothing is. Throws for a run that lives. */
export async function planCleaning(run: RunFolder, rule: KeepRule): Promise<Cleaning> {
  const { status } = await statusOf(run);
  if (!isOver(status)) {
    const remedy = 'While it lives, checkpoint.keep of its recipe decides.';
    throw new RunsError('run-lives', `${run.id} is ${status}`, { file: run.folder, remedy });
  }
  const isFolder = lstatSync(run.checkpoints, { throwIfNoEntry: false })?.isDirectory();
  const checkpoints = isFolder ? await listCheckpoints(run.checkpoints) : [];
  const good = await newestGood(run, checkpoints);
  const bestStep = good ? await bestStepIn(run, good) : null;
  const goes = expendable(checkpoints, { ...rule, bestStep }).filter(({ name }) => good && name !== good.name);
  const names = new Set(goes.map(({ name }) => name));
  return {
    run,
    goes: goes.map(({ name, step }) => ({ name, step, bytes: folderBytes(join(run.checkpoints, name)) })),
    stays: checkpoints.filter(({ name }) => !names.has(name)).map(({ name, step }) => ({ name, step })),
  };
}

export async function clean(store: Store, { run, goes }: Cleaning): Promise<void> {
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
