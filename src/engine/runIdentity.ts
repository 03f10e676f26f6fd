/**
 * What a run is made of: every setting and file that decides its weights. A checkpoint carries it, and who resumes must
 * bring the same. Knows nothing of how a checkpoint is written.
 */
import { basename } from 'node:path';
import type { StartCommand } from '../protocol/trainer.ts';
import { flattenSettings } from '../recipe/resolve.ts';
import { packedBy } from './data/packing.ts';
import { EngineError } from './engineError.ts';
import { type Fingerprints, hashData, weightsFingerprint } from './evaluate/fingerprints.ts';
import { numericsVersion } from './numerics.ts';
import { pathOf } from './prepare.ts';
import { readCounters, verifyCheckpoint } from './state/checkpoint.ts';
import type { Counters } from './state/stateStore.ts';
import { loadTokenizer } from './tokenizer/tokenizer.ts';

export type RunIdentity = Record<string, string>;

/** Keys of files; others are keys of the recipe. */
const contentOf = 'content of ';
const numerics = 'numerics';
/** Named only where another one than the usual computes. It is not known before the model is opened. */
const runtimeKey = 'runtime';
/** Named only where rows are packed. */
const packingKey = 'rows are packed by';
const usualRuntime = 'onnxruntime on cpu';

/** Names do not count, nor does where things lie: what is computed does. */
export function runIdentity(
  { recipe }: Pick<StartCommand, 'recipe'>,
  { data, model, tokenizer }: Pick<Fingerprints, 'data' | 'model' | 'tokenizer'>,
  runtime: { name: string; provider: string },
): RunIdentity {
  const computedBy = `${runtime.name} on ${runtime.provider}`;
  return {
    [numerics]: numericsVersion,
    ...(computedBy !== usualRuntime && { [runtimeKey]: computedBy }),
    ...contentIdentity({ recipe }, { data, model, tokenizer }),
  };
}

/** The part that does not depend on who trains. */
export function contentIdentity(
  { recipe }: Pick<StartCommand, 'recipe'>,
  { data, model, tokenizer }: Pick<Fingerprints, 'data' | 'model' | 'tokenizer'>,
): RunIdentity {
  const { adapter, method, train, output } = recipe;
  const files = Object.entries({ ...data, tokenizer, model });
  return {
    ...flattenSettings({ adapter, method, train, output }),
    ...(train.packing && { [packingKey]: packedBy }),
    ...Object.fromEntries(files.map(([name, hash]) => [`${contentOf}${name}`, hash])),
  };
}

/** Says whether a run may go on from a checkpoint, without opening the model. */
export async function checkResume(start: StartCommand): Promise<void> {
  const { recipe, resume } = start;
  if (!resume) throw new EngineError('protocol', 'There is no checkpoint to check');
  await verifyCheckpoint(resume.checkpoint);
  const modelFolder = pathOf(start, recipe.model);
  const data: Record<string, string> = {};
  for (const [name, file] of trainedFiles(start)) data[name] = await hashData(pathOf(start, file));
  const tokenizer = (await loadTokenizer(modelFolder)).fingerprint;
  const content = contentIdentity(start, { data, tokenizer, model: await weightsFingerprint(modelFolder) });
  const counters = await readCounters(resume.checkpoint);
  const { [runtimeKey]: runtime } = (counters.identity ?? {}) as RunIdentity;
  refuseOther(start, { [numerics]: numericsVersion, ...content, ...(runtime && { [runtimeKey]: runtime }) }, counters);
}

/** Throws with every setting and file in which the run that wrote the checkpoint differs from this one. */
export function refuseOther(start: StartCommand, identity: RunIdentity, counters: Counters): void {
  const before = counters.identity;
  const folder = start.resume?.checkpoint ?? '';
  if (typeof before !== 'object' || before === null) {
    throw new EngineError('checkpoint-mismatch', `The checkpoint ${folder} does not say what it was made of`, {
      file: folder,
      remedy: 'Resume it with the Holdfast that wrote it, or start a new run.',
    });
  }
  const differences = differencesOf(start, before, identity);
  if (differences.length === 0) return;
  const code = before[numerics] === identity[numerics] ? 'checkpoint-mismatch' : 'numerics-changed';
  throw new EngineError(code, `The run is not what ${basename(folder)} was written by: ${differences.join('; ')}`, {
    file: folder,
    remedy: 'Put it back as it was, or go on in a new run: holdfast resume --fork.',
  });
}

function differencesOf(start: StartCommand, before: RunIdentity, now: RunIdentity): string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return keys
    .filter(key => before[key] !== now[key])
    .map(key => {
      const absent = key === runtimeKey ? usualRuntime : 'not set';
      if (!key.startsWith(contentOf)) return `${key} was ${before[key] ?? absent}, is ${now[key] ?? absent}`;
      const name = key.slice(contentOf.length);
      const change = before[key] === undefined ? 'is new' : now[key] === undefined ? 'is gone' : 'has changed';
      return `${wordsFor(start, name)} ${change}`;
    });
}

function wordsFor(start: StartCommand, name: string): string {
  const folder = start.paths[start.recipe.model] ?? start.recipe.model;
  if (name === 'model') return `the base model in ${folder}`;
  if (name === 'tokenizer') return `the tokenizer in ${folder}`;
  const file = new Map(trainedFiles(start)).get(name);
  return file === undefined ? `the data set ${name}` : `the content of ${start.paths[file] ?? file}`;
}

/** Files by the names their fingerprints go by. */
function trainedFiles({ recipe: { data, method } }: StartCommand): [string, string][] {
  return [
    ['train', data.train],
    ...(method.replay ? [['replay', method.replay.data] as [string, string]] : []),
    ...Object.entries(data.eval),
  ];
}
