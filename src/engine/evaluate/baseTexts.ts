/**
 * `retain: auto`: a probe set of texts that the base itself wrote. They are written once for base, tokenizer and settings,
 * and kept in the cache that runs share; a file that does not verify is written anew. Knows nothing of how they are drawn.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { autoSet } from '../../recipe/autoSet.ts';
import type { AutoProbe, ResolvedRecipe } from '../../recipe/schema.ts';
import { writeAtomic } from '../atomicFile.ts';
import { EngineError } from '../engineError.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { EvaluatedSet } from './evaluator.ts';
import { digest, type Fingerprints } from './fingerprints.ts';
import type { OpenDecoding } from './generate.ts';
import { textItem } from './itemScores.ts';
import { refuseSilent, type TextPlan, type WrittenItem, writeTexts } from './writeTexts.ts';

/** Changes when the same base would write other texts. */
const writerVersion = 1;

export interface BaseTexts extends TextPlan {
  /** Stands for everything that decides the texts. */
  key: string;
  file: string;
  budget?: AutoProbe['budget'];
}

/** `base`: fingerprint of the base's weights. */
export function baseTextsOf(
  { items, tokens, budget }: AutoProbe,
  { max_length: maxLength }: Pick<ResolvedRecipe['train'], 'max_length'>,
  tokenizer: Tokenizer,
  base: string,
  cacheFolder: string,
): BaseTexts {
  const start = tokenizer.bosId ?? tokenizer.eosId;
  if (start === null) {
    throw new EngineError('no-start-token', 'The tokenizer names no token that a text begins or ends with', {
      remedy: 'Set bos_token in tokenizer_config.json, or name sets of a file under retain.probes.',
    });
  }
  const stop = [...tokenizer.stopIds].sort((a, b) => a - b);
  const plan: TextPlan = { items, tokens: Math.min(tokens, maxLength - 1), start, stop };
  const key = digest({ ...plan, base, tokenizer: tokenizer.fingerprint, writer: writerVersion });
  return { ...plan, key, file: join(cacheFolder, 'base-texts', `${key}.jsonl`), ...(budget && { budget }) };
}

/** The base writes them now. Until all are written nothing is kept. */
export async function writeBaseTexts(
  wanted: BaseTexts,
  tokenizer: Tokenizer,
  write: OpenDecoding,
  onProgress: (fraction: number) => void,
): Promise<EvaluatedSet> {
  const items = await writeTexts(write, wanted, onProgress);
  refuseSilent(items, wanted);
  await keep(wanted, items, tokenizer);
  return setOf(wanted, items);
}

/** Null where they have not been written yet. */
export async function knownBaseTexts(wanted: BaseTexts): Promise<EvaluatedSet | null> {
  const items = await readVerified(wanted);
  return items && setOf(wanted, items);
}

/** Runs that are judged by other texts are not compared. */
export function fingerprintsWith<F extends Pick<Fingerprints, 'comparison' | 'probes'>>(
  fingerprints: F,
  { fingerprint }: EvaluatedSet,
): F {
  const comparison = digest([fingerprints.comparison, fingerprint]);
  return { ...fingerprints, comparison, probes: { ...fingerprints.probes, [autoSet]: fingerprint } };
}

function setOf({ file, budget }: BaseTexts, items: WrittenItem[]): EvaluatedSet {
  return {
    name: autoSet,
    kind: 'text',
    items: items.map((texts, i) => textItem(i + 1, texts.map(sequenceOf))),
    file,
    fingerprint: digest(items),
    replayed: false,
    ...(budget && { budget }),
  };
}

/** Everything but the first token was written by the base. */
const sequenceOf = (text: number[]) => ({
  ids: Int32Array.from(text),
  targets: new Uint8Array(text.length).fill(1, 1),
});

/** One item a line, readable for people too; the last line vouches for the ids. */
async function keep({ file, key }: BaseTexts, items: WrittenItem[], tokenizer: Tokenizer): Promise<void> {
  const lines = items.map(texts => ({ text: texts.map(([, ...own]) => tokenizer.decode(own)).join('\n'), ids: texts }));
  const seal = { key, sha256: digest(items) };
  await writeAtomic(file, [...lines, seal].map(line => `${JSON.stringify(line)}\n`).join(''));
}

async function readVerified({ file, key }: BaseTexts): Promise<WrittenItem[] | null> {
  try {
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const seal = JSON.parse(lines.pop()!) as { key: string; sha256: string };
    const items = lines.map(line => (JSON.parse(line) as { ids: WrittenItem }).ids);
    return seal.key === key && seal.sha256 === digest(items) ? items : null;
  } catch {
    // Missing, torn or of another make: a cache may always be made anew.
    return null;
  }
}
