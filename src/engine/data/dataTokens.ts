/**
 * From data files to their token sequences: those that an earlier run kept of the same data, or made anew. Knows the tokenizer
 * and the cache; nothing of order, packing or batches.
 */
import { basename, extname, join } from 'node:path';
import { dataFiles } from '../../runs/dataFiles.ts';
import { digest, hashData } from '../evaluate/fingerprints.ts';
import { numericsVersion } from '../numerics.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { examplesIn } from './examples.ts';
import type { WhenThereIsRoom } from './ints.ts';
import { encodeEach, type SequenceOptions } from './sequences.ts';
import { type KeptTokens, openKeptTokens, removeInterrupted } from './tokenFile.ts';
import { TokenWriter } from './tokenWriter.ts';

export interface DataTokens extends KeptTokens {
  /** Of the data, as `hashData` tells it. */
  hash: string;
  warnings: string[];
}

export interface TokensOptions extends SequenceOptions {
  cacheFolder: string;
  whenThereIsRoom?: WhenThereIsRoom;
  /** Tokens that may stay in memory. */
  mostHeld?: number;
  onDone?: (examples: number) => void;
}

/** Changes when the same data, tokenizer and settings would become other tokens. */
const encoderVersion = 1;

export const tokensFolder = (cache: string): string => join(cache, 'tokens');

export async function dataTokens(path: string, tokenizer: Tokenizer, options: TokensOptions): Promise<DataTokens> {
  const hash = await hashData(path);
  const folder = tokensFolder(options.cacheFolder);
  const { maxLength, tooLong } = options;
  const formats = dataFiles(path).map(file => extname(file).toLowerCase());
  const parts = { hash, formats, tokenizer: tokenizer.fingerprint, maxLength, tooLong };
  const key = digest({ ...parts, encoder: encoderVersion, numerics: numericsVersion });
  const wasInterrupted = await removeInterrupted(folder, key);
  const kept =
    (await openKeptTokens(folder, key, maxLength)) ?? (await makeTokens(path, tokenizer, options, folder, key));
  return { ...kept, hash, warnings: warningsOf(basename(path), kept, wasInterrupted) };
}

async function makeTokens(
  path: string,
  tokenizer: Tokenizer,
  options: TokensOptions,
  folder: string,
  key: string,
): Promise<KeptTokens> {
  const writer = new TokenWriter(folder, key, options);
  try {
    const take = (tokens: Parameters<TokenWriter['add']>[0]) => writer.add(tokens);
    return await writer.finish(await encodeEach(path, examplesIn(path), tokenizer, options, take, options.onDone));
  } catch (error) {
    await writer.discard().catch(() => {});
    throw error;
  }
}

function warningsOf(name: string, { dropped, cut }: KeptTokens, wasInterrupted: boolean): string[] {
  return [
    ...(wasInterrupted ? [`An earlier start was interrupted while it read ${name}: its tokens were made anew.`] : []),
    ...(dropped > 0 ? [`${dropped} rows of ${name} are too long and were dropped.`] : []),
    ...(cut > 0 ? [`${cut} rows of ${name} are too long and were cut.`] : []),
  ];
}
