/** Folders that appear whole or not at all. Knows nothing of what is in them. */
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncFolder } from '../../runs/safeFile.ts';
import { writeError } from '../atomicFile.ts';
import { EngineError } from '../engineError.ts';

/** Fills a temporary folder beside the target, then gives it its name. An existing folder of that name is replaced. */
export async function writeFolderAtomically<T>(folder: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = join(dirname(folder), `.${basename(folder)}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    await mkdir(temporary, { recursive: true });
    const result = await fill(temporary);
    await syncFolder(temporary);
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
    await syncFolder(dirname(folder));
    return result;
  } catch (cause) {
    // Why it failed matters more than whether the rest could be cleaned up.
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw cause instanceof EngineError ? cause : writeError(folder, cause);
  }
}
