/**
 * Checkpoint folders seen from outside: their names, and whether what is in them is what was written. Knows nothing of
 * the tensors. Anything here may be forged or broken: links are not followed, sizes are limited.
 */
import { createHash } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { copyFile, mkdir, open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { openChecked, readFileChecked, syncFolder } from './safeFile.ts';

export const manifestFile = 'manifest.json';
export const checkpointFormat = 1;

export const manifestSchema = z.object({
  format: z.literal(checkpointFormat),
  files: z.record(z.string(), z.object({ bytes: z.number().int(), sha256: z.string().length(64) })),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** Every checkpoint has these. */
export const checkpointFiles = ['state.safetensors', 'counters.json'] as const;

/** Lies in a checkpoint that the user asked for; says nothing of its contents. */
export const askedFile = 'asked.json';

export interface CheckpointName {
  name: string;
  attempt: number;
  step: number;
  asked?: boolean;
}

/** "a1-step-40"; `null` for any other name. */
export function checkpointNamed(name: string): CheckpointName | null {
  const [, attempt, step] = /^a([1-9]\d{0,6})-step-(\d{1,12})$/.exec(name) ?? [];
  return attempt && step ? { name, attempt: Number(attempt), step: Number(step) } : null;
}

/** By step, then by attempt. A folder that is not there holds none. */
export async function listCheckpoints(folder: string): Promise<CheckpointName[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter(entry => entry.isDirectory())
    .flatMap(({ name }) => checkpointNamed(name) ?? [])
    .map(checkpoint =>
      existsSync(join(folder, checkpoint.name, askedFile)) ? { ...checkpoint, asked: true } : checkpoint,
    )
    .sort((a, b) => a.step - b.step || a.attempt - b.attempt);
}

/** What is wrong with a checkpoint, in words; `null` when every file has its recorded size and sha256. */
export async function damageOf(folder: string): Promise<string | null> {
  const manifest = await readManifest(folder);
  if (!manifest) return `its ${manifestFile} is missing or not readable`;
  for (const name of checkpointFiles) {
    const recorded = manifest.files[name];
    if (!recorded) return `its ${manifestFile} does not name ${name}`;
    const found = await sizeAndHash(join(folder, name)).catch(() => null);
    if (!found) return `its ${name} is missing or not readable`;
    if (found.bytes !== recorded.bytes) return `its ${name} has ${found.bytes} of ${recorded.bytes} bytes`;
    if (found.sha256 !== recorded.sha256) return `its ${name} has changed since it was written`;
  }
  return null;
}

export async function sizeAndHash(file: string): Promise<{ bytes: number; sha256: string } | null> {
  const handle = await openChecked(file);
  if (!handle) return null;
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of handle.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } finally {
    await handle.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Into a folder of checkpoints; shares the blocks where the disk can. */
export async function copyCheckpoint(folder: string, into: string): Promise<void> {
  const copy = join(into, basename(folder));
  await mkdir(copy, { recursive: true });
  for (const name of [...checkpointFiles, manifestFile]) {
    await copyFile(join(folder, name), join(copy, name), constants.COPYFILE_FICLONE);
    await syncFile(join(copy, name));
  }
  await syncFolder(copy);
  await syncFolder(into);
}

async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readManifest(folder: string): Promise<Manifest | null> {
  try {
    const text = await readFileChecked(join(folder, manifestFile), 64 * 1024);
    return text === null ? null : manifestSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
