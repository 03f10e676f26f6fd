/**
 * Whole small files, safely. Writing replaces a file in one rename, and only by one whose length was checked and that
 * is on the disk. Reading takes no links and no more than a limit: a store may have come with a hostile repository.
 */
import { randomBytes } from 'node:crypto';
import { constants, fstatSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type * as z from 'zod';
import { fromSystem, RunsError, systemCode } from './runsError.ts';

/** Windows has no such flag. */
const noFollow = constants.O_NOFOLLOW ?? 0;

/** Write temp, check the length, fsync, rename, fsync the folder. Throws `RunsError`; the old file is then untouched. */
export async function writeFileSafely(file: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${file}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  try {
    const handle = await open(temporary, 'wx', 0o644);
    try {
      await writeAll(handle, bytes);
      if ((await handle.stat()).size !== bytes.length) throw shortWrite(file);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await renamePatiently(temporary, file);
    await syncFolder(dirname(file));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw fromSystem(error, file, 'writing');
  }
}

export async function writeJsonSafely(file: string, value: unknown): Promise<void> {
  await writeFileSafely(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** What somebody left who was killed while writing `file`. Only for whoever holds the lock under which it is written. */
export function removeTornWrites(file: string): void {
  const torn = readdirSync(dirname(file)).filter(
    name => name.startsWith(`${basename(file)}.`) && name.endsWith('.tmp'),
  );
  for (const name of torn) rmSync(join(dirname(file), name), { force: true });
}

/** `null` when there is no such file. Throws when it is a link, no plain file, or larger than `limit` bytes. */
export async function readFileChecked(file: string, limit: number): Promise<string | null> {
  if (isMissing(file)) return null;
  let handle: FileHandle;
  try {
    handle = await open(file, constants.O_RDONLY | noFollow | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    if (systemCode(error) === 'ELOOP') throw new RunsError('damaged', `${file} is a link`, { file });
    throw fromSystem(error, file, 'reading');
  }
  try {
    const { size } = await checkPlain(handle, file);
    if (size > limit) throw new RunsError('damaged', `${file} has ${size} bytes, at most ${limit} are read`, { file });
    const buffer = Buffer.alloc(size);
    let at = 0;
    while (at < size) {
      const { bytesRead } = await handle.read(buffer, at, size - at, at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return buffer.toString('utf8', 0, at);
  } finally {
    await handle.close();
  }
}

/** `null` when there is no such file; throws `damaged` with the place when it does not fit the schema. */
export async function readJsonChecked<S extends z.ZodType>(
  file: string,
  schema: S,
  limit: number,
): Promise<z.output<S> | null> {
  const text = await readFileChecked(file, limit);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RunsError('damaged', `${file} is not JSON`, { file, cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') || 'the whole file';
  throw new RunsError('damaged', `${file} is damaged at ${where}: ${issue?.message ?? 'unknown'}`, { file });
}

/** An open plain file for streaming; `null` when it is not there. */
export async function openChecked(file: string): Promise<FileHandle | null> {
  if (isMissing(file)) return null;
  try {
    const handle = await open(file, constants.O_RDONLY | noFollow | (constants.O_NONBLOCK ?? 0));
    await checkPlain(handle, file).catch(async error => {
      await handle.close();
      throw error;
    });
    return handle;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    if (systemCode(error) === 'ELOOP') throw new RunsError('damaged', `${file} is a link`, { file });
    throw fromSystem(error, file, 'reading');
  }
}

/** Those of [start, end) that are there. */
export async function readBytes(handle: FileHandle, start: number, end: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - start), 0, end - start, start);
  return buffer.subarray(0, bytesRead);
}

/** Half of the small files of a run are not there, and an open that fails is dear: a list of runs looks at ten thousand. */
function isMissing(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}

async function checkPlain(handle: FileHandle, file: string): Promise<{ size: number }> {
  // At once: of an open file it asks no disk, and a list of runs asks it thousands of times.
  const stat = fstatSync(handle.fd);
  if (!stat.isFile()) throw new RunsError('damaged', `${file} is no plain file`, { file });
  return stat;
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, at);
    if (bytesWritten === 0) throw shortWrite('the file');
    at += bytesWritten;
  }
}

function shortWrite(file: string): Error {
  return Object.assign(new Error(`short write to ${file}`), { code: 'ENOSPC' });
}

/** Windows refuses a rename while a virus scanner or a reader holds the file. */
async function renamePatiently(from: string, to: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await rename(from, to);
    } catch (error) {
      if (process.platform !== 'win32' || tries === 20 || !['EPERM', 'EACCES', 'EBUSY'].includes(systemCode(error))) {
        throw error;
      }
      await new Promise(resolve => setTimeout(resolve, 10 * (tries + 1)));
    }
  }
}

export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems have no fsync for folders; the rename itself has happened.
    if (!['EINVAL', 'ENOTSUP', 'EBADF'].includes(systemCode(error))) throw error;
  } finally {
    await handle.close();
  }
}
