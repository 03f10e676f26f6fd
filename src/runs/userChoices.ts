/**
 * What the user says of runs, in `user.json` of each run's folder: name, tags, star, colour, hidden. Two windows and a
 * terminal may say things at once, so a change is read, applied and written under one lock of the store.
 */
import { join } from 'node:path';
import { lockHolder, waitForLock } from './lock.ts';
import type { RunFolder, RunUser } from './runFolder.ts';
import { RunsError } from './runsError.ts';
import { removeTornWrites, writeJsonSafely } from './safeFile.ts';
import type { Store } from './store.ts';

/** What is left out stays as it is; `null` takes a choice back. */
export interface UserChange {
  name?: string | null;
  star?: boolean;
  hidden?: boolean;
  colour?: number | null;
  addTags?: readonly string[];
  removeTags?: readonly string[];
}

/** As many as the charts have. */
export const colours = 8;
export const longestName = 256;
const longestTag = 64;
const mostTags = 64;
const patienceMs = 10_000;

/** Applies one change to each run and tells other windows. Throws `RunsError`; runs before the failing one are changed. */
export async function changeUser(store: Store, runs: readonly RunFolder[], change: UserChange): Promise<RunUser[]> {
  const checked = checkChange(change);
  const changed: RunUser[] = [];
  const lock = await lockUser(store);
  try {
    for (const run of runs) {
      const before = await saidBefore(run);
      const user = applyChange(before, checked);
      removeTornWrites(run.userJson);
      if (JSON.stringify(user) !== JSON.stringify(before)) await writeJsonSafely(run.userJson, user);
      changed.push(user);
    }
  } finally {
    lock.release();
    await store.announce();
  }
  return changed;
}

/** Nothing is written over what cannot be read: it may be mended. */
async function saidBefore(run: RunFolder): Promise<RunUser> {
  try {
    return (await run.user()) ?? {};
  } catch (error) {
    if (!(error instanceof RunsError) || error.code !== 'damaged') throw error;
    const remedy = 'Mend it, or delete it: the run then has the name of its recipe, no tags, no star and no colour.';
    throw new RunsError('damaged', error.message, { file: run.userJson, remedy, cause: error });
  }
}

export function applyChange(user: RunUser, change: UserChange): RunUser {
  const { name, colour, star, hidden, addTags = [], removeTags = [] } = change;
  const kept = (user.tags ?? []).filter(tag => !removeTags.includes(tag));
  const tags = [...new Set([...kept, ...addTags])];
  if (tags.length > mostTags) throw wrong(`A run has at most ${mostTags} tags`);
  return withoutNothing({
    ...user,
    ...(name !== undefined && { name: name ?? undefined }),
    ...(colour !== undefined && { colour: colour ?? undefined }),
    ...(star !== undefined && { star: star || undefined }),
    ...(hidden !== undefined && { hidden: hidden || undefined }),
    tags: tags.length > 0 ? tags : undefined,
  });
}

/** Words a tag is made of are joined; a `#` in front is how tags are written, no part of them. */
export const tagOf = (text: string): string => text.trim().replace(/^#+/, '').trim().replace(/\s+/g, '-');

function checkChange(change: UserChange): UserChange {
  const { name, colour } = change;
  // One line of a list.
  const trimmed = typeof name === 'string' ? name.trim().replace(/\s+/g, ' ') || null : name;
  if (trimmed && trimmed.length > longestName) throw wrong(`A name has at most ${longestName} characters`);
  if (typeof colour === 'number' && !(Number.isInteger(colour) && colour >= 0 && colour < colours)) {
    throw wrong(`There is no colour ${colour}; there are 1 to ${colours}`);
  }
  const addTags = change.addTags?.map(checkTag);
  const removeTags = change.removeTags?.map(tagOf);
  return { ...change, ...(name !== undefined && { name: trimmed }), addTags, removeTags };
}

function checkTag(text: string): string {
  const tag = tagOf(text);
  if (tag.length === 0) throw wrong('A tag needs at least one letter');
  if (tag.length > longestTag) throw wrong(`The tag "${tag.slice(0, 20)}…" is longer than ${longestTag} characters`);
  return tag;
}

/** A lock that came with a repository may name a holder that never leaves: waiting has an end. */
async function lockUser(store: Store): ReturnType<typeof waitForLock> {
  const file = join(store.folder, 'user.lock');
  await store.prepare();
  const signal = AbortSignal.timeout(patienceMs);
  try {
    return await waitForLock(file, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    const holder = await lockHolder(file);
    const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another program';
    const remedy = `End that program. If there is none, remove ${file}.`;
    throw new RunsError('busy', `${who} has been changing runs for ${patienceMs / 1000} s`, { file, remedy });
  }
}

const wrong = (message: string): RunsError => new RunsError('wrong-use', message);

const withoutNothing = (user: RunUser): RunUser =>
  Object.fromEntries(Object.entries(user).filter(([, value]) => value !== undefined));
