/** What lies on the disk: bytes of a folder, and the checkpoints that are there. Links are not followed. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type CheckpointName, checkpointNamed } from './checkpointFiles.ts';

/** A run has a few dozen files; a hostile one ends here instead of keeping us busy. */
const mostFiles = 10_000;
const deepest = 8;

export interface DiskUse {
  /** Of everything. */
  bytes: number;
  /** By step, then by attempt. Damaged ones too: whether one can be used is for others to say. */
  checkpoints: (CheckpointName & { bytes: number })[];
}

export function diskUseOf(runFolder: string): DiskUse {
  const checkpoints: DiskUse['checkpoints'] = [];
  const bytes = folderBytes(runFolder, (path, bytes) => {
    const [parent, name = '', ...more] = path;
    const checkpoint = parent === 'checkpoints' && more.length === 0 ? checkpointNamed(name) : null;
    if (checkpoint) checkpoints.push({ ...checkpoint, bytes });
  });
  return { bytes, checkpoints: checkpoints.sort((a, b) => a.step - b.step || a.attempt - b.attempt) };
}

/** `onFolder` is told the size of each folder below. What is gone while it is counted counts nothing. */
export function folderBytes(folder: string, onFolder?: (path: readonly string[], bytes: number) => void): number {
  let files = 0;
  const walk = (at: string, path: readonly string[]): number => {
    let bytes = 0;
    for (const entry of entriesOf(at)) {
      if (++files > mostFiles) return bytes;
      const below = join(at, entry.name);
      if (entry.isDirectory() && path.length < deepest) {
        const belowPath = [...path, entry.name];
        const found = walk(below, belowPath);
        onFolder?.(belowPath, found);
        bytes += found;
      } else if (entry.isFile()) bytes += lstatSync(below, { throwIfNoEntry: false })?.size ?? 0;
    }
    return bytes;
  };
  return walk(folder, []);
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
