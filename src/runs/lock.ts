/**
 * A lock that the dead cannot hold: a file made with O_EXCL that names its holder. It is stale only when the holder is
 * provably gone; a holder on another host is never pushed out. Knows nothing of what it protects.
 */
import { rmSync } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { isAlive, ownIdentity, type ProcessIdentity, processIdentitySchema } from './processIdentity.ts';
import { fromSystem, systemCode } from './runsError.ts';
import { readJsonChecked } from './safeFile.ts';
import { makeFileWhole } from './wholeFile.ts';

export interface Lock {
  release(): void;
}

export type LockAttempt = { held: true; lock: Lock } | { held: false; holder: ProcessIdentity | null };

/** One try. `holder` is null when the file is there but says nothing readable yet. */
export async function tryLock(file: string): Promise<LockAttempt> {
  const me = await ownIdentity();
  for (let tries = 0; tries < 3; tries++) {
    if (await create(file, me)) return { held: true, lock: { release: () => rmSync(file, { force: true }) } };
    const holder = await readHolder(file);
    if (holder === 'none') continue;
    if (holder === 'unreadable') return { held: false, holder: null };
    if ((await isAlive(holder)) !== 'gone') return { held: false, holder };
    await removeStale(file, holder);
  }
  return { held: false, holder: null };
}

/** Who holds it now; `null` when nobody living does. */
export async function lockHolder(file: string): Promise<ProcessIdentity | null> {
  const holder = await readHolder(file);
  if (typeof holder === 'string') return null;
  return (await isAlive(holder)) === 'gone' ? null : holder;
}

/** In words with the remedy, when the holder is on another host: nobody here can tell whether it lives. */
export async function lockedElsewhere(file: string): Promise<string | null> {
  const holder = await lockHolder(file);
  if (!holder || (await isAlive(holder)) !== 'unknown') return null;
  return `process ${holder.pid} on ${holder.host} holds ${file}; if there is no such machine, remove that file`;
}

/** Waits until the lock is free. */
export async function waitForLock(
  file: string,
  options: { signal?: AbortSignal; pollMs?: number } = {},
): Promise<Lock> {
  for (;;) {
    options.signal?.throwIfAborted();
    const attempt = await tryLock(file);
    if (attempt.held) return attempt.lock;
    await new Promise(resolve => setTimeout(resolve, options.pollMs ?? 20));
  }
}

/** Nobody ever reads a lock without its holder, and no power loss leaves one. */
async function create(file: string, me: ProcessIdentity): Promise<boolean> {
  try {
    return await makeFileWhole(file, JSON.stringify(me));
  } catch (error) {
    throw fromSystem(error, file, 'locking');
  }
}

async function readHolder(file: string): Promise<ProcessIdentity | 'none' | 'unreadable'> {
  try {
    return (await readJsonChecked(file, processIdentitySchema, 4096)) ?? 'none';
  } catch {
    return 'unreadable';
  }
}

/**
 * Two may find the same stale lock. Whoever makes the marker may remove it, after another look: while the marker lies
 * there only the dead holder could change the lock.
 */
async function removeStale(file: string, holder: ProcessIdentity): Promise<void> {
  const marker = `${file}.steal-${holder.pid}-${holder.startTime.replace(/\W/g, '')}`;
  try {
    await (await open(marker, 'wx')).close();
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw fromSystem(error, file, 'locking');
    // Left behind by somebody who died between two calls.
    const age = Date.now() - (await stat(marker).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > 30_000) await rm(marker, { force: true });
    return;
  }
  try {
    const now = await readHolder(file);
    if (typeof now !== 'string' && now.pid === holder.pid && now.startTime === holder.startTime) {
      await rm(file, { force: true });
    }
  } finally {
    await rm(marker, { force: true });
  }
}
