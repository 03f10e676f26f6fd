/**
 * A checkpoint folder: state.safetensors, counters.json, and manifest.json with the sha256 of both. It appears by one
 * rename and is verified before it is used. Knows nothing of what the tensors mean.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { writeAtomic } from '../atomicFile.ts';
import { EngineError } from '../engineError.ts';
import { writeFolderAtomically } from '../weights/files.ts';
import { SafetensorsFile, writeSafetensors } from '../weights/safetensors.ts';
import type { Counters } from './stateStore.ts';

const format = 1;
const tensorsFile = 'state.safetensors';
const countersFile = 'counters.json';
const manifestFile = 'manifest.json';

const manifestSchema = z.object({
  format: z.literal(format),
  files: z.record(z.string(), z.object({ bytes: z.number().int(), sha256: z.string().length(64) })),
});
const countersSchema = z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()]));

export interface Checkpoint {
  tensors: readonly { name: string; shape: readonly number[] }[];
  /** Asked for one tensor at a time, so that a large state is never held twice. */
  read: (name: string) => Promise<Float32Array>;
  counters: Counters;
}

export async function writeCheckpoint(
  folder: string,
  { tensors, read, counters }: Checkpoint,
): Promise<{ bytes: number }> {
  return writeFolderAtomically(folder, async temporary => {
    const infos = tensors.map(({ name, shape }) => ({ name, shape: [...shape], dtype: 'f32' as const }));
    await writeSafetensors(join(temporary, tensorsFile), infos, read);
    await writeAtomic(join(temporary, countersFile), JSON.stringify(counters));
    const files: z.infer<typeof manifestSchema>['files'] = {};
    let bytes = 0;
    for (const name of [tensorsFile, countersFile]) {
      const path = join(temporary, name);
      files[name] = { bytes: (await stat(path)).size, sha256: await sha256(path) };
      bytes += files[name].bytes;
    }
    await writeAtomic(join(temporary, manifestFile), JSON.stringify({ format, files }, null, 2));
    return { bytes };
  });
}

/** Throws unless every file is there and has its recorded size and hash. */
export async function verifyCheckpoint(folder: string): Promise<void> {
  const manifest = await readManifest(folder);
  for (const name of [tensorsFile, countersFile]) {
    const recorded = manifest.files[name];
    if (!recorded) throw damaged(folder, `its manifest does not name ${name}`);
    const size = await stat(join(folder, name)).then(
      stats => stats.size,
      () => -1,
    );
    if (size < 0) throw damaged(folder, `${name} is missing`);
    if (size !== recorded.bytes) throw damaged(folder, `${name} has ${size} of ${recorded.bytes} bytes`);
    if ((await sha256(join(folder, name))) !== recorded.sha256)
      throw damaged(folder, `${name} has changed since it was written`);
  }
}

export async function readCheckpoint(
  folder: string,
): Promise<{ tensors: Map<string, { shape: readonly number[]; values: Float32Array }>; counters: Counters }> {
  await verifyCheckpoint(folder);
  const counters = countersSchema.parse(JSON.parse(await readFile(join(folder, countersFile), 'utf8')));
  const file = await SafetensorsFile.open(join(folder, tensorsFile));
  try {
    const tensors = new Map<string, { shape: readonly number[]; values: Float32Array }>();
    for (const [name, { shape }] of file.tensors) tensors.set(name, { shape, values: await file.read(name) });
    return { tensors, counters };
  } finally {
    await file.close();
  }
}

async function readManifest(folder: string): Promise<z.infer<typeof manifestSchema>> {
  try {
    return manifestSchema.parse(JSON.parse(await readFile(join(folder, manifestFile), 'utf8')));
  } catch (cause) {
    throw damaged(folder, `${manifestFile} is missing or not readable`, cause);
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

const damaged = (folder: string, what: string, cause?: unknown) =>
  new EngineError('checkpoint-damaged', `The checkpoint ${folder} cannot be used: ${what}`, {
    file: folder,
    remedy: 'Resume from an older checkpoint.',
    cause,
  });
