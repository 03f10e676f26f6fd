/**
 * Makes a run: the recipe checked, its paths settled, the request written in one rename before anything starts. A run
 * that has only `run.json` is queued. Nothing is hashed here; it is cheap.
 */
import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { parseRecipe } from '../recipe/parse.ts';
import { resolveRecipe } from '../recipe/resolve.ts';
import type { ResolvedRecipe, VariantName } from '../recipe/schema.ts';
import { limits } from '../recipe/yamlText.ts';
import { resolvePaths } from './allowedRoots.ts';
import { type CheckpointName, copyCheckpoint } from './checkpointFiles.ts';
import { chooseEngine, type EngineChoice } from './chooseEngine.ts';
import { engineVersion } from './engineFolder.ts';
import { gitState } from './gitState.ts';
import { chooseNode, type NodeChoice } from './nodePath.ts';
import type { ProcessIdentity } from './processIdentity.ts';
import type { PythonWish } from './pythonPath.ts';
import { redact } from './redact.ts';
import { type RunFolder, type RunRequest, runFormat, runRequestSchema } from './runFolder.ts';
import { newRunId, nextCreationTime } from './runId.ts';
import { fromSystem, RunsError } from './runsError.ts';
import { syncFolder, writeJsonSafely } from './safeFile.ts';
import { sealRequest } from './seal.ts';
import { findStore, type Store } from './store.ts';
import { longestName } from './userChoices.ts';

export interface CreateRun {
  recipeFile: string;
  /** The text as it stands in an editor; default: the file's. */
  recipeText?: string;
  variant: VariantName;
  /** `key.path=value` */
  overrides?: string[];
  name?: string;
  /** An arm of a comparison, resolved already: taken instead of `variant`, `overrides` and `name`. */
  resolved?: ResolvedRecipe;
  store?: Store;
  engineFolder: string;
  /** The machine's list of further folders a recipe may point into. */
  modelRoots?: string[];
  node?: NodeChoice;
  /** Where the torch engine's Python is looked for. */
  pythonWish?: PythonWish;
  threads?: number;
  /** Runs of one comparison share a name. */
  group?: string;
  /** A fork: begins at another run's checkpoint, which is copied. */
  parent?: { run: RunFolder; checkpoint: CheckpointName };
  /** A terminal that owns the run; without one the run belongs to nobody and goes on. */
  owner?: ProcessIdentity;
  /** The recipe's command, as the user has seen it and agreed. */
  agreedCommand?: string[];
  /** Stands in for the engine's trainer: program and arguments. From the machine's environment only. */
  trainer?: string[];
}

export const createRun = async (options: CreateRun): Promise<RunFolder> => makeRun(await acceptRun(options));

/** What `makeRun` makes a run of. */
interface AcceptedRun {
  options: CreateRun;
  recipeFile: string;
  recipeText: string;
  recipe: ResolvedRecipe;
  store: Store;
  paths: Record<string, string>;
  node: NodeChoice;
  engine: EngineChoice;
}

/** Refuses what cannot be run: nothing is made yet, and no program started. */
export async function acceptRun(options: CreateRun): Promise<AcceptedRun> {
  const recipeFile = resolve(options.recipeFile);
  const recipeText = options.recipeText ?? (await readRecipe(recipeFile));
  const recipe = options.resolved ?? resolveText(recipeFile, recipeText, options);
  refuseName(recipe.name);
  const store = options.store ?? findStore(recipeFile);
  const paths = resolvePaths(recipe, {
    recipeFile,
    storeRoot: store.root,
    engineFolder: options.engineFolder,
    modelRoots: options.modelRoots,
  });
  const [node, engine] = await Promise.all([options.node ?? chooseNode(), chooseEngine(recipe, paths, options)]);
  return { options, recipeFile, recipeText, recipe, store, paths, node, engine };
}

export async function makeRun(accepted: AcceptedRun): Promise<RunFolder> {
  const { options, recipeFile, recipeText, recipe, store, paths, node, engine } = accepted;
  const { parent } = options;
  const createdAt = nextCreationTime();
  const git = await gitState(dirname(recipeFile));
  await store.prepare();
  const run = store.run(newRunId(recipe.name, new Date(createdAt)));
  const request = await sealRequest(
    {
      v: runFormat,
      id: run.id,
      createdAt,
      name: recipe.name,
      variant: recipe.variant,
      recipeFile,
      recipeText,
      recipe,
      paths,
      engine: {
        folder: resolve(options.engineFolder),
        version: engineVersion(options.engineFolder),
        ...engine,
      },
      node,
      argv: argvKept(),
      seeds: { train: recipe.train.seed },
      ...(options.threads && { threads: options.threads }),
      git,
      ...(options.group && { group: options.group }),
      ...(options.owner && { owner: options.owner }),
      ...(parent && {
        parent: { run: parent.run.id, step: parent.checkpoint.step, checkpoint: parent.checkpoint.name },
      }),
    },
    store.folder,
  );
  refuseUnreadable(request);
  await place(run, request, parent);
  return run;
}

/** Parses, resolves and checks, and makes nothing. Throws with every problem in its message. */
export function resolveText(
  recipeFile: string,
  recipeText: string,
  options: Pick<CreateRun, 'variant' | 'overrides' | 'name'>,
): ResolvedRecipe {
  const { recipe, problems } = parseRecipe(recipeText, recipeFile);
  const errors = problems.filter(problem => problem.severity === 'error');
  const [first] = errors;
  if (!recipe || first) {
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
    throw new RunsError(first?.code ?? 'recipe', `${first?.message ?? 'The recipe cannot be read'}${more}`, {
      file: recipeFile,
      line: first?.range.line,
      remedy: first?.remedy,
    });
  }
  const { variant, overrides, name } = options;
  if (name !== undefined) refuseName(name);
  return resolveRecipe(recipe, { variant, fileName: basename(recipeFile), overrides, name });
}

function refuseName(name: string): void {
  if (name.trim() === '')
    throw new RunsError('wrong-use', 'The name is empty', { remedy: 'Leave --name out, or give one.' });
  if (name.length > longestName) {
    const remedy = 'Give a shorter one; what there is more to say goes into notes: holdfast edit RUN --note TEXT.';
    throw new RunsError('wrong-use', `A name has at most ${longestName} characters, not ${name.length}`, { remedy });
  }
}

const mostWords = 256;
const longestWord = 4096;

/** For people who look back: what is too long to be kept is cut. */
const argvKept = (): string[] => process.argv.slice(1, 1 + mostWords).map(word => redact(word).slice(0, longestWord));

/** What no reader takes would be queued for nobody: a run that is in no list and never starts. */
function refuseUnreadable(request: RunRequest): void {
  const issue = runRequestSchema.safeParse(request).error?.issues[0];
  if (!issue) return;
  const message = `The run could not be read back: ${issue.path.join('.')}: ${issue.message}`;
  throw new RunsError('wrong-use', message, { file: request.recipeFile, remedy: 'Nothing was made. Make it shorter.' });
}

/** Reads little more than a recipe may hold: what was named may be the data, or have no end. */
export async function readRecipe(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(file, { end: limits.bytes })) chunks.push(chunk as Buffer);
  } catch (error) {
    throw fromSystem(error, file, 'reading');
  }
  const bytes = Buffer.concat(chunks);
  const text = bytes.toString('utf8');
  if (bytes.length > limits.bytes || isUtf8(bytes)) return text;
  const line = text.slice(0, text.indexOf('\ufffd')).split('\n').length;
  throw new RunsError('not-text', 'The recipe is not UTF-8 text', { file, line, remedy: 'Save it as UTF-8.' });
}

/** The folder appears under its name only when it is whole. */
async function place(run: RunFolder, request: unknown, parent: CreateRun['parent']): Promise<void> {
  const temporary = join(dirname(run.folder), `.${run.id}-${randomBytes(3).toString('hex')}`);
  try {
    await mkdir(temporary);
    if (parent)
      await copyCheckpoint(
        join(parent.run.checkpoints, parent.checkpoint.name),
        join(temporary, basename(run.checkpoints)),
      );
    await writeJsonSafely(join(temporary, 'run.json'), request);
    await rename(temporary, run.folder);
    await syncFolder(dirname(run.folder));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw fromSystem(error, run.folder, 'making');
  }
}
