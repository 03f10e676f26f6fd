/**
 * A run once more: what has changed since, and with which settings. Data is compared by the hashes that the trainer told
 * at its start; what it never told of, by time.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { flattenSettings, recipePaths } from '../recipe/resolve.ts';
import { type ResolvedRecipe, type VariantName, variantNames } from '../recipe/schema.ts';
import { sizeAndHash } from './checkpointFiles.ts';
import { type CreateRun, resolveText } from './createRun.ts';
import { readJournal } from './journal.ts';
import type { RunFolder, RunRequest } from './runFolder.ts';
import { RunsError } from './runsError.ts';
import { isSealed } from './seal.ts';
import type { Store } from './store.ts';

/** What a new run is made with. */
export type Rerun = Pick<CreateRun, 'recipeFile' | 'variant' | 'resolved' | 'overrides' | 'name'> & {
  recipeText: string;
};

export interface ChangesSince {
  /** The recipe's text now; `null` when the file is gone. */
  recipeText: string | null;
  isRecipeChanged: boolean;
  /** As written in the recipe: files that are no longer what they were, or gone. */
  data: string[];
  engine: { before: string; now: string } | null;
}

/** What was made elsewhere is looked at, never started: not even its copy. */
export async function refuseForeign(store: Store, request: RunRequest): Promise<void> {
  if (await isSealed(request, store.folder)) return;
  throw new RunsError('not-ours', `${request.id} was made elsewhere; it is looked at, never started`, {
    remedy: 'Open its recipe, keep it as a file of yours, and start that.',
  });
}

export async function changesSince(run: RunFolder, request: RunRequest, engineVersion: string): Promise<ChangesSince> {
  const recipeText = await readFile(request.recipeFile, 'utf8').catch(() => null);
  const { version } = request.engine;
  return {
    recipeText,
    isRecipeChanged: recipeText !== request.recipeText,
    data: await changedData(run, request),
    engine: version === engineVersion ? null : { before: version, now: engineVersion },
  };
}

/** The very settings of the run, those of `--set` and of an arm included. */
export const asItRan = ({ recipeFile, recipeText, recipe }: RunRequest): Rerun => ({
  recipeFile,
  recipeText,
  variant: 'as-written',
  resolved: recipe,
});

/** The recipe's text of now, with what the run was told beside its own text. */
export function asItIs(request: RunRequest, recipeText: string): Rerun {
  const { recipeFile, recipe } = request;
  const variant: VariantName =
    variantNames.find(name => name === recipe.variant) ?? (recipe.variant.startsWith('plain') ? 'plain' : 'as-written');
  const written = resolveText(recipeFile, request.recipeText, { variant });
  const name = written.name === recipe.name ? undefined : recipe.name;
  return { recipeFile, recipeText, variant, overrides: differences(written, recipe), name };
}

function differences(written: ResolvedRecipe, ran: ResolvedRecipe): string[] {
  const [before, after] = [flattenSettings(written), flattenSettings(ran)];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys
    .filter(key => key !== 'name' && key !== 'variant' && before[key] !== after[key])
    .map(key => `${key}=${after[key] ?? 'null'}`);
}

async function changedData(run: RunFolder, request: RunRequest): Promise<string[]> {
  const hashes = await hashesToldBy(run);
  const changed: string[] = [];
  for (const written of recipePaths(request.recipe)) {
    const path = request.paths[written];
    // A shipped model changes with the engine, which is told apart.
    if (path?.startsWith(`${request.engine.folder}${sep}`)) continue;
    if (path && (await isChanged(path, request.createdAt, hashes))) changed.push(written);
  }
  return changed;
}

async function isChanged(path: string, since: number, hashes: ReadonlySet<string>): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  if (!found) return true;
  if (found.isDirectory()) return (await newestIn(path)) > since;
  return hashes.size > 0
    ? !hashes.has((await sizeAndHash(path).catch(() => null))?.sha256 ?? '')
    : found.mtimeMs > since;
}

/** When weights or configuration of a model folder last changed: they are too large to be hashed in passing. */
async function newestIn(folder: string): Promise<number> {
  const names = (await readdir(folder)).filter(name => name === 'config.json' || name.endsWith('.safetensors'));
  const times = await Promise.all(names.map(async name => (await stat(join(folder, name))).mtimeMs));
  return Math.max(0, ...times);
}

async function hashesToldBy(run: RunFolder): Promise<Set<string>> {
  for await (const { records } of readJournal(run)) {
    const prepared = records.find(record => record.type === 'prepared');
    if (prepared?.type !== 'prepared') continue;
    const { data, probes } = prepared.fingerprints;
    return new Set([...Object.values(data), ...Object.values(probes)].filter(hash => /^[0-9a-f]{64}$/.test(hash)));
  }
  return new Set();
}
