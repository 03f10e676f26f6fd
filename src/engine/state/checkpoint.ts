/**
 * A checkpoint folder: state.safetensors, counters.json, and manifest.json with the sha256 of both. It appears by one
 * rename and is verified before it is used. Knows nothing of what the tensors mean.
 */
import { join } from 'node:path';
import * as z from 'zod';
import {
  checkpointFiles,
  checkpointFormat,
  damageOf,
  type Manifest,
  manifestFile,
  sizeAndHash,
} from '../../runs/checkpointFiles.ts';
import { readFileChecked } from '../../runs/safeFile.ts';
import { writeAtomic } from '../atomicFile.ts';
import { EngineError } from '../engineError.ts';
import { writeFolderAtomically } from '../weights/files.ts';
import { SafetensorsFile, writeSafetensors } from '../weights/safetensors.ts';
import type { Counters } from './stateStore.ts';

const [tensorsFile, countersFile] = checkpointFiles;
const largestCounters = 1024 * 1024;

const counterSchema = z.union([z.number(), z.string(), z.boolean(), z.null(), z.record(z.string(), z.string())]);
const countersSchema = z.record(z.string(), counterSchema);

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
    const files: Manifest['files'] = {};
    let bytes = 0;
    for (const name of checkpointFiles) {
      const written = await sizeAndHash(join(temporary, name));
      if (!written) throw new EngineError('write-failed', `${join(temporary, name)} is gone while it is written`);
      files[name] = written;
      bytes += written.bytes;
    }
    const manifest: Manifest = { format: checkpointFormat, files };
    await writeAtomic(join(temporary, manifestFile), JSON.stringify(manifest, null, 2));
    return { bytes };
  });
}

/** Throws unless every file is there and has its recorded size and hash. */
export async function verifyCheckpoint(folder: string): Promise<void> {
  const damage = await damageOf(folder);
  if (damage === null) return;
  throw new EngineError('checkpoint-damaged', `The checkpoint ${folder} cannot be used: ${damage}`, {
    file: folder,
    remedy: 'Resume from an older checkpoint.',
  });
}

/** Of a checkpoint that was verified. */
export async function readCounters(folder: string): Promise<Counters> {
  const text = await readFileChecked(join(folder, countersFile), largestCounters);
  return countersSchema.parse(JSON.parse(text ?? ''));
}

/** Of a checkpoint that was verified. */
export async function readTensors(
  folder: string,
): Promise<Map<string, { shape: readonly number[]; values: Float32Array }>> {
  const file = await SafetensorsFile.open(join(folder, tensorsFile));
  try {
    const tensors = new Map<string, { shape: readonly number[]; values: Float32Array }>();
    for (const [name, { shape }] of file.tensors) tensors.set(name, { shape, values: await file.read(name) });
    return tensors;
  } finally {
    await file.close();
  }
}
