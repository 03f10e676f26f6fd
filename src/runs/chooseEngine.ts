/**
 * What trains a recipe: the embedded engine or the torch engine. `auto` takes the embedded one, which needs nothing
 * installed, wherever it can compute the model. Says why.
 */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { type ModelTraits, whyNotEmbedded } from '../domain/embeddedModels.ts';
import { shownCommand } from '../domain/shownCommand.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { choosePython, type PythonChoice, type PythonWish } from './pythonPath.ts';
import { RunsError } from './runsError.ts';
import type { OwnProgram } from './trainerProgram.ts';

/** What this machine brings to the choice. */
export interface EngineParts {
  recipeFile: string;
  /** The recipe's command, as the user has seen it and agreed. */
  agreedCommand?: string[];
  pythonWish?: PythonWish;
  /** Stands in for every engine. */
  trainer?: string[];
}

export interface EngineChoice {
  trainer?: string[];
  /** With the torch engine: what runs it. */
  python?: PythonChoice;
  command?: OwnProgram;
  reason: string;
}

export async function chooseEngine(
  { engine, model, retain, command }: Pick<ResolvedRecipe, 'engine' | 'model' | 'retain' | 'command'>,
  paths: Record<string, string>,
  { pythonWish, trainer, recipeFile, agreedCommand }: EngineParts,
): Promise<EngineChoice> {
  if (trainer) return { trainer, reason: 'another trainer, as HOLDFAST_TRAINER says' };
  if (command) {
    refuseUnseen(command, agreedCommand);
    return { command: { words: command, folder: dirname(resolve(recipeFile)) }, reason: 'the program of command' };
  }
  if (engine === 'node') return { reason: 'the embedded engine, as the recipe says' };
  if (engine === 'torch') {
    return { python: await choosePython(pythonWish), reason: 'the torch engine, as the recipe says' };
  }
  // The base of a judgement, or what an adapter sits on.
  const folders = [paths[model], paths[retain.base]].filter(folder => folder !== undefined);
  const { why, folder } = await whyNotByItself(folders);
  if (why === null) return { reason: 'the embedded engine: it computes this model and needs nothing installed' };
  const python = await choosePython(pythonWish).catch(error => {
    throw neitherEngine(why, join(folder, 'config.json'), error);
  });
  return { python, reason: `the torch engine: for the embedded one ${why}` };
}

/** No Python is no complaint about the Python that nobody asked for, but about the model that needs one. */
function neitherEngine(why: string, file: string, error: unknown): unknown {
  if (!(error instanceof RunsError)) return error;
  const message = `config.json: for the embedded engine ${why}; the torch engine would take it, but ${error.message}`;
  return new RunsError(error.code, message, { file, remedy: error.remedy, cause: error });
}

/** A recipe may come from anybody: what it starts must have been seen, word for word. */
function refuseUnseen(command: string[], agreed: string[] | undefined): void {
  if (JSON.stringify(command) === JSON.stringify(agreed)) return;
  throw new RunsError('command-not-agreed', `This recipe starts a program: ${shownCommand(command)}`, {
    remedy: 'Look at it, then agree: holdfast run RECIPE --allow-command, or the question in the editor.',
  });
}

const largestConfig = 1024 * 1024;

const rope = z
  .looseObject({
    rope_type: z.string().optional(),
    type: z.string().optional(),
    partial_rotary_factor: z.number().optional(),
  })
  .nullish();
const traitsSchema: z.ZodType<ModelTraits> = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().optional(),
  hidden_act: z.string().optional(),
  rope_scaling: rope,
  rope_parameters: rope,
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  sliding_window: z.number().nullish(),
  use_sliding_window: z.boolean().nullish(),
  layer_types: z.array(z.string()).nullish(),
  quantization_config: z.unknown().optional(),
});

/** A config.json that cannot be read is left to the engine, which says what is wrong with it. */
async function whyNotByItself(folders: string[]): Promise<{ why: string | null; folder: string }> {
  for (const folder of folders) {
    const traits = traitsSchema.safeParse(await readConfig(join(folder, 'config.json')));
    const why = traits.success ? whyNotEmbedded(traits.data) : null;
    if (why !== null) return { why, folder };
  }
  return { why: null, folder: '' };
}

/** In the cache of the Hub it is a link. */
async function readConfig(file: string): Promise<unknown> {
  try {
    return (await stat(file)).size <= largestConfig ? JSON.parse(await readFile(file, 'utf8')) : null;
  } catch {
    return null;
  }
}
