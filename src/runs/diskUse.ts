/** What lies on the disk: bytes of a folder, and the checkpoints that are there. Links are not followed. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A run has a few dozen files; a hostile one ends here instead of keeping us busy. */
const mostFiles = 10_000;
const deepest = 8;
const mostCheckpoints = 1000;
const checkpointName = /^a(\d{1,7})-step-(\d{1,12})$/;

export interface CheckpointOnDisk {
  attempt: number;
  step: number;
  /** Name below `checkpoints`. */
  folder: string;
  bytes: number;
}

/** What is gone while it is counted counts nothing. */
export function folderBytes(folder: string): number {
  let bytes = 0;
  let files = 0;
  const walk = (at: string, depth: number): void => {
    for (const entry of entriesOf(at)) {
      if (++files > mostFiles) return;
      const path = join(at, entry.name);
      if (entry.isDirectory() && depth < deepest) walk(path, depth + 1);
      else if (entry.isFile()) bytes += lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
    }
  };
  walk(folder, 0);
  return bytes;
}

/** Oldest first. Damaged ones too: whether one can be used is for others to say. */
export function checkpointsIn(folder: string): CheckpointOnDisk[] {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  const found = entriesOf(folder).flatMap(entry => {
    const [, attempt, step] = checkpointName.exec(entry.name) ?? [];
    if (!entry.isDirectory() || attempt === undefined) return [];
    return [{ attempt: Number(attempt), step: Number(step), folder: entry.name }];
  });
  return found
    .sort((a, b) => a.step - b.step || a.attempt - b.attempt)
    .slice(-mostCheckpoints)
    .map(checkpoint => ({ ...checkpoint, bytes: folderBytes(join(folder, checkpoint.folder)) }));
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
