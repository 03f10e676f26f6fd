/**
 * Deleted runs: moved to `trash` in the store by one rename, moved back by another, so that deleting is quick and can be
 * undone. A run that lives is never moved. Links are never followed.
 */
import { lstatSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sendControl } from './control.ts';
import { folderBytes } from './diskUse.ts';
import { forgetFold } from './foldCache.ts';
import { isAlive } from './processIdentity.ts';
import type { RunFolder } from './runFolder.ts';
import { fromSystem, RunsError } from './runsError.ts';
import { syncFolder } from './safeFile.ts';
import { isOver, statusOf } from './status.ts';
import { isRunId, type Store } from './store.ts';
import { makeFolder } from './wholeFile.ts';

export interface TrashedRun {
  id: string;
  bytes: number;
  /** In milliseconds since 1970. */
  deletedAt: number;
}

export async function trashRun(store: Store, run: RunFolder): Promise<void> {
  if (!isFolder(run.folder)) throw new RunsError('unknown-run', `There is no run ${run.id}`, { file: run.folder });
  await refuseLiving(run);
  const trash = await prepareTrash(store);
  await move(run.folder, join(trash, run.id), 'deleting');
  await store.announce();
}

export async function restoreRun(store: Store, id: string): Promise<RunFolder> {
  const run = store.run(id);
  const from = join(trashOf(store), id);
  refuseLink(trashOf(store));
  if (!isFolder(from)) throw new RunsError('unknown-run', `The trash holds no run ${id}`, { file: from });
  await store.prepare();
  if (lstatSync(run.folder, { throwIfNoEntry: false })) {
    throw new RunsError('run-exists', `There is a run ${id} already`, { file: run.folder });
  }
  await move(from, run.folder, 'restoring');
  await store.announce();
  return run;
}

/** Newest first. */
export async function trashedRuns(store: Store): Promise<TrashedRun[]> {
  const trash = trashOf(store);
  if (!isFolder(trash)) return [];
  const entries = await readdir(trash, { withFileTypes: true });
  const ids = entries.filter(entry => entry.isDirectory() && isRunId(entry.name)).map(({ name }) => name);
  return ids
    .sort()
    .reverse()
    .map(id => ({ id, bytes: folderBytes(join(trash, id)), deletedAt: timeOf(join(trash, id)) }));
}

/** For good. Returns what was freed. */
export async function emptyTrash(store: Store): Promise<TrashedRun[]> {
  refuseLink(trashOf(store));
  const runs = await trashedRuns(store);
  for (const { id } of runs) {
    const folder = join(trashOf(store), id);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 }).catch(error => {
      throw fromSystem(error, folder, 'removing');
    });
    await forgetFold(store.run(id));
  }
  return runs;
}

export const isInTrash = (store: Store, id: string): boolean => isFolder(join(trashOf(store), id));

/** A rename changes the time of the inode, of the contents it does not. */
const timeOf = (folder: string): number => lstatSync(folder, { throwIfNoEntry: false })?.ctimeMs ?? 0;

const trashOf = (store: Store): string => join(store.folder, 'trash');

/** One that waits is cancelled first, so that no runner takes it meanwhile. */
async function refuseLiving(run: RunFolder): Promise<void> {
  if ((await statusOf(run)).status === 'queued') await sendControl(run, 'stop');
  const { status, process } = await statusOf(run);
  const trainer = process?.trainer?.identity;
  const isTraining = trainer !== undefined && (await isAlive(trainer)) === 'alive';
  if (isOver(status) && !isTraining) return;
  const message = `${run.id} is ${isOver(status) ? 'still training without its runner' : status}`;
  throw new RunsError('run-lives', message, {
    file: run.folder,
    remedy: 'Stop it first; a run that lives is never deleted.',
  });
}

async function prepareTrash(store: Store): Promise<string> {
  const trash = trashOf(store);
  await store.prepare();
  refuseLink(trash);
  await makeFolder(trash).catch(error => {
    throw fromSystem(error, trash, 'making');
  });
  refuseLink(trash);
  return trash;
}

async function move(from: string, to: string, doing: string): Promise<void> {
  try {
    await rename(from, to);
    await syncFolder(join(to, '..'));
    await syncFolder(join(from, '..'));
  } catch (error) {
    throw fromSystem(error, from, doing);
  }
}

const isFolder = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

function refuseLink(folder: string): void {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  const message = `${folder} is a link; a store is never followed out of its project`;
  throw new RunsError('store-is-link', message, { file: folder, remedy: 'Remove the link.' });
}
