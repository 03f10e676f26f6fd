/**
 * Where a recipe may point: the project, the shipped models, the Hugging Face cache and folders that the user allowed
 * on this machine. Links are resolved first, so nothing leads out. Errors name the key.
 */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { dataFiles, folderOfData, isPattern } from './dataFiles.ts';
import { hubCache, hubFolder, hubNamePattern, hubSnapshot } from './hubCache.ts';
import { RunsError, systemCode } from './runsError.ts';

export interface AllowedRoots {
  /** Paths in a recipe are relative to its folder. */
  recipeFile: string;
  storeRoot: string;
  engineFolder: string;
  /** The machine's list (holdfast.modelFolders). */
  modelRoots?: string[];
}

/** Every path of the recipe as written → absolute path. Throws `RunsError` at the first that is missing or outside. */
export function resolvePaths(
  recipe: ResolvedRecipe,
  roots: AllowedRoots,
  /** Keys that the job does not read. */
  unread: string[] = [],
): Record<string, string> {
  const paths: Record<string, string> = {};
  const models: [string, string][] = [
    ['model', recipe.model],
    ['retain.base', recipe.retain.base],
  ];
  const files: [string, string | undefined][] = [
    ['data.train', recipe.data.train],
    ...Object.entries(recipe.data.eval).map(([name, file]): [string, string] => [`data.eval.${name}`, file]),
    ...Object.entries(recipe.retain.probes).map(([name, { file }]): [string, string] => [
      `retain.probes.${name}.file`,
      file,
    ]),
    ['method.replay.data', recipe.method.replay?.data],
  ];
  for (const [key, written] of models) paths[written] ??= resolveModel(key, written, roots);
  for (const [key, written] of files) {
    if (written === undefined || unread.includes(key)) continue;
    paths[written] = severalFiles.has(key) ? resolveData(key, written, roots) : resolveFile(key, written, roots);
  }
  return paths;
}

/** Folders with shipped models: `models` in an installed engine folder, beside `dist` in a checkout. */
export function shippedModels(engineFolder: string): string | null {
  return [join(engineFolder, 'models'), join(engineFolder, '..', 'models')].find(folder => existsSync(folder)) ?? null;
}

export function resolveModel(key: string, written: string, roots: AllowedRoots): string {
  const shipped = shippedModels(roots.engineFolder);
  if (shipped && /^\w[\w.-]*$/.test(written) && isFolder(join(shipped, written)))
    return realpathSync(join(shipped, written));
  const local = place(key, written, roots);
  if (existsSync(local)) {
    const folder = inside(key, written, local, roots);
    if (statSync(folder).isDirectory()) return withoutWaysOut(key, written, folder, roots);
    const remedy = 'Give the folder that holds config.json and model.safetensors.';
    throw new RunsError('model-no-folder', `${key}: ${written} is a file, not a model folder`, {
      file: folder,
      remedy,
    });
  }
  if (hubNamePattern.test(written)) return fromHub(key, written);
  throw new RunsError('model-missing', `${key}: there is no model "${written}"`, {
    file: local,
    remedy: `Use holdfast-tiny, a folder in Hugging Face layout, or org/name of a model in the Hugging Face cache.`,
  });
}

/** Keys whose rows may lie in several files. */
const severalFiles = new Set(['data.train', 'method.replay.data']);

/** A file, a folder, or a pattern with its folder resolved. */
export function resolveData(key: string, written: string, roots: AllowedRoots): string {
  const local = place(key, written, roots);
  const folder = folderOfData(local);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return resolveFile(key, written, roots);
  const real = inside(key, written, folder, roots);
  const data = isPattern(local) ? join(real, basename(local)) : real;
  dataFiles(data);
  return data;
}

export function resolveFile(key: string, written: string, roots: AllowedRoots): string {
  const local = place(key, written, roots);
  if (!existsSync(local)) {
    const remedy = 'Check the path; paths are relative to the recipe.';
    throw new RunsError('file-missing', `${key}: there is no file ${written} (looked for ${local})`, {
      file: local,
      remedy,
    });
  }
  const file = inside(key, written, local, roots);
  if (statSync(file).isFile()) return file;
  throw new RunsError('not-a-file', `${key}: ${written} is no file`, {
    file,
    remedy: 'Name one file: jsonl, json, csv, tsv, parquet or txt.',
  });
}

/** To look at a network share is to log in there: only those of allowed folders are looked at. */
function place(key: string, written: string, roots: AllowedRoots): string {
  const isShare = /^[\\/]{2}/.test(written);
  if (isShare && !roots.modelRoots?.some(root => written.startsWith(root))) {
    throw outsideRoots(key, written, written, roots);
  }
  return resolve(dirname(roots.recipeFile), written);
}

/** A folder inside may hold links that lead out. */
function withoutWaysOut(key: string, written: string, folder: string, roots: AllowedRoots): string {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = join(folder, entry.name);
    if (entry.isSymbolicLink() && existsSync(file)) inside(key, `${written}/${entry.name}`, file, roots);
  }
  return folder;
}

function inside(key: string, written: string, local: string, roots: AllowedRoots): string {
  const real = realPath(key, written, local);
  const allowed = [
    roots.storeRoot,
    dirname(resolve(roots.recipeFile)),
    shippedModels(roots.engineFolder),
    shippedExamples(roots.engineFolder),
    hubCache(),
    ...(roots.modelRoots ?? []),
  ];
  if (allowed.some(root => root !== null && isBelow(real, root))) return real;
  throw outsideRoots(key, written, real, roots);
}

function outsideRoots(key: string, written: string, real: string, roots: AllowedRoots): RunsError {
  return new RunsError('outside-roots', `${key}: ${written} leads to ${real}, outside of the project`, {
    file: real,
    remedy: `Move it below ${roots.storeRoot}, or allow its folder on this machine (setting holdfast.modelFolders, or HOLDFAST_MODEL_FOLDERS for the command line).`,
  });
}

function shippedExamples(engineFolder: string): string | null {
  return [join(engineFolder, 'examples'), join(engineFolder, '..', 'examples')].find(at => existsSync(at)) ?? null;
}

function realPath(key: string, written: string, local: string): string {
  try {
    return realpathSync(local);
  } catch (cause) {
    const code = systemCode(cause) === 'EACCES' ? 'no-permission' : 'file-missing';
    throw new RunsError(code, `${key}: ${written} cannot be opened (${local})`, { file: local, cause });
  }
}

function isBelow(path: string, root: string): boolean {
  if (!existsSync(root)) return false;
  const steps = relative(realpathSync(root), path);
  return steps === '' || (steps !== '..' && !steps.startsWith(`..${sep}`) && !isAbsolute(steps));
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function fromHub(key: string, name: string): string {
  const snapshot = hubSnapshot(name);
  if (snapshot) return snapshot;
  throw new RunsError(
    'model-not-cached',
    `${key}: the model ${name} is neither a folder here nor in the Hugging Face cache`,
    { file: hubFolder(name), remedy: `Download it once with: holdfast download ${name}` },
  );
}
