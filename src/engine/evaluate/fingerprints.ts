/**
 * Fingerprints of what goes into a run. Runs whose `comparison` differs are not compared; base scores are reused where
 * `cacheKey` is equal. Knows nothing of the run itself.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { PreparedEvent } from '../../protocol/trainer.ts';
import { dataFiles } from '../../runs/dataFiles.ts';
import { numericsVersion } from '../numerics.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { scorerVersion } from './itemScores.ts';

export type Fingerprints = PreparedEvent['fingerprints'];

export interface FingerprintFiles {
  /** Folders of the model that is tuned and of the base that forgetting is measured against. */
  modelFolder: string;
  baseFolder: string;
  tokenizer: Tokenizer;
  /** Hashes of what is trained on, by name. */
  data: Record<string, string>;
  sets: { name: string; kind: string; fingerprint: string }[];
  maxLength: number;
  /** The model's maps are held in 4 bits: as a base it is another one. */
  isIn4bit?: boolean;
}

export interface FingerprintInput extends FingerprintFiles {
  runtime: { name: string; provider: string };
}

export async function fingerprintRun({ runtime, ...files }: FingerprintInput): Promise<Fingerprints> {
  const { scoring, ...fingerprints } = await fingerprintFiles(files);
  const { name, provider } = runtime;
  const cacheKey = digest({ ...scoring, numerics: numericsVersion, runtime: name, provider, precision: 'f32' });
  return { ...fingerprints, cacheKey };
}

/** What can be told without knowing who calculates. `scoring` is what decides a base score but for that. */
export async function fingerprintFiles(
  input: FingerprintFiles,
): Promise<Omit<Fingerprints, 'cacheKey'> & { scoring: Record<string, string | number> }> {
  const model = await weightsFingerprint(input.modelFolder);
  const own = input.isIn4bit ? `${model} in 4 bits` : model;
  const base = input.baseFolder === input.modelFolder ? own : await weightsFingerprint(input.baseFolder);
  const hashesOf = (isLearning: boolean) =>
    Object.fromEntries(
      input.sets.filter(({ kind }) => (kind === 'learning') === isLearning).map(set => [set.name, set.fingerprint]),
    );
  const [probes, evals] = [hashesOf(false), hashesOf(true)];
  const scoring = { base, tokenizer: input.tokenizer.fingerprint, truncation: input.maxLength, scorer: scorerVersion };
  return {
    scoring,
    comparison: digest({ ...scoring, probes, evals }),
    data: { ...input.data, ...evals },
    probes,
    tokenizer: input.tokenizer.fingerprint,
    model,
  };
}

export const digest = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

/** Of everything that decides what a model folder computes: its config and its weights. */
export async function weightsFingerprint(folder: string): Promise<string> {
  const files = (await readdir(folder)).filter(name => name === 'config.json' || name.endsWith('.safetensors')).sort();
  return digest(await hashFiles(Object.fromEntries(files.map(name => [name, join(folder, name)]))));
}

export async function hashFiles(files: Record<string, string>): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const [name, file] of Object.entries(files)) hashes[name] = await hashFile(file);
  return hashes;
}

/** Of data that are several files: of their names and hashes. */
export async function hashData(path: string): Promise<string> {
  const files = dataFiles(path);
  if (files.length === 1 && files[0] === path) return hashFile(path);
  return digest(await hashFiles(Object.fromEntries(files.map(file => [basename(file), file]))));
}

export async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
