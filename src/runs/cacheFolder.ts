/** Folders of files that may be made anew at any time, and that are not to grow without end. Knows nothing of what they hold. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Until all files together have at most so many bytes; also those that somebody left who was killed while writing. */
export async function removeOldest(folder: string, mostBytes: number): Promise<void> {
  const files = await Promise.all(
    (await readdir(folder)).map(async name => {
      const file = join(folder, name);
      const found = await stat(file).catch(() => null);
      return { file, size: found?.size ?? 0, mtimeMs: found?.mtimeMs ?? 0 };
    }),
  );
  let bytes = files.reduce((sum, { size }) => sum + size, 0);
  for (const { file, size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
    if (bytes <= mostBytes) return;
    await rm(file, { force: true });
    bytes -= size;
  }
}
