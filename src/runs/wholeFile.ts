/**
 * Files and folders that are made once and never replaced. What is made is whole and, after a power loss, either as it
 * was made or not there: an empty lock would be in everybody's way, an empty key would be nobody's.
 */
import { constants, copyFileSync, linkSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './runsError.ts';
import { syncFolder } from './safeFile.ts';

/** False when there is such a file already. Its name is durable once its folder is synced. */
export async function makeFileWhole(file: string, text: string, mode = 0o644): Promise<boolean> {
  const own = `${file}.${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  try {
    const handle = await open(own, 'wx', mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    link(own, file);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

function link(own: string, file: string): void {
  try {
    linkSync(own, file);
  } catch (error) {
    // File systems without hard links: made in place, with the risk that somebody reads it half written and waits.
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EINVAL'].includes(systemCode(error))) throw error;
    copyFileSync(own, file, constants.COPYFILE_EXCL);
  }
}

/** The name of a new folder is durable on return. What is there already, folder or not, is left alone. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    throw error;
  }
  await syncFolder(dirname(folder));
}
