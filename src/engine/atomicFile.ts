/** Writes a file whole or not at all: temporary file, length checked, fsync, rename, fsync of the folder. */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../runs/safeFile.ts';
import { EngineError } from './engineError.ts';

export async function writeAtomic(file: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  try {
    await mkdir(dirname(file), { recursive: true });
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(bytes);
      const { size } = await handle.stat();
      if (size !== bytes.length) throw new Error(`only ${size} of ${bytes.length} bytes were written`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(dirname(file));
  } catch (cause) {
    await rm(temporary, { force: true });
    throw writeError(file, cause);
  }
}

/** The disk's own words, with the place and what to do. */
export function writeError(file: string, cause: unknown): EngineError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  const isForbidden = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  const kind = isFull ? 'disk-full' : isForbidden ? 'no-permission' : 'write-failed';
  const remedy = isFull ? 'Free some space on this disk.' : isForbidden ? 'Check the permissions.' : undefined;
  return new EngineError(kind, `Cannot write ${file}: ${message}`, { file, remedy, cause });
}
