/** What this machine brings to a run: engine folder, Node, store, more folders a recipe may read, threads. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { checkEngine } from '../runs/engineFolder.ts';
import { chooseNode, type NodeChoice } from '../runs/nodePath.ts';
import type { PythonWish } from '../runs/pythonPath.ts';
import { RunsError } from '../runs/runsError.ts';
import { findStore, type Store, storeOf } from '../runs/store.ts';

export interface Machine {
  engineFolder: string;
  node: NodeChoice;
  pythonWish: PythonWish;
  modelRoots: string[];
  threads?: number;
  /** Program and arguments as a JSON list, for tests of what surrounds a trainer. */
  trainer?: string[];
}

export async function thisMachine(): Promise<Machine> {
  const engineFolder = ownEngineFolder();
  checkEngine(engineFolder);
  const { HOLDFAST_NODE, HOLDFAST_PYTHON, HOLDFAST_MODEL_FOLDERS, HOLDFAST_THREADS, HOLDFAST_TRAINER } = process.env;
  const trainer = HOLDFAST_TRAINER ? (JSON.parse(HOLDFAST_TRAINER) as string[]) : undefined;
  return {
    engineFolder,
    node: await chooseNode(HOLDFAST_NODE),
    pythonWish: HOLDFAST_PYTHON ? { setting: HOLDFAST_PYTHON } : {},
    modelRoots: (HOLDFAST_MODEL_FOLDERS ?? '').split(delimiter).filter(Boolean),
    ...(HOLDFAST_THREADS && { threads: positiveInteger('HOLDFAST_THREADS', HOLDFAST_THREADS) }),
    ...(trainer && { trainer }),
  };
}

/** The folder this program lies in. */
export function ownEngineFolder(): string {
  return dirname(realpathSync(process.argv[1] ?? '.'));
}

export function storeForRecipe(recipeFile: string): Store {
  const file = resolve(recipeFile);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    const message = stat ? `${file} is no recipe but a folder` : `There is no recipe ${file}`;
    const remedy = 'Give the path of a *.tune.yaml file.';
    throw new RunsError(stat ? 'not-a-file' : 'file-missing', message, { file, remedy });
  }
  return findStore(recipeFile, { runsFolder: process.env.HOLDFAST_RUNS_FOLDER });
}

/** The store of the folder the command was given in. */
export function storeHere(): Store {
  return storeOf(process.cwd(), { runsFolder: process.env.HOLDFAST_RUNS_FOLDER });
}

export const packageFolder = (engineFolder: string): string =>
  existsSync(join(engineFolder, 'package.json')) ? engineFolder : dirname(engineFolder);

function positiveInteger(name: string, value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw new RunsError('wrong-use', `${name} is "${value}", not a whole number above 0`);
}
