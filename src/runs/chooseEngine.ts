/**
 * What trains a recipe: the embedded engine or the torch engine. `auto` takes the embedded one, which needs nothing
 * installed, wherever it can compute the model. Says why.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { type ModelTraits, whyNotEmbedded } from '../domain/embeddedModels.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { choosePython, type PythonChoice, type PythonWish } from './pythonPath.ts';

/** What this machine brings to the choice. */
export interface EngineParts {
  pythonWish?: PythonWish;
  /** Stands in for every engine. */
  trainer?: string[];
}

export interface EngineChoice {
  trainer?: string[];
  /** With the torch engine: what runs it. */
  python?: PythonChoice;
  reason: string;
}

export async function chooseEngine(
  { engine, model }: Pick<ResolvedRecipe, 'engine' | 'model'>,
  paths: Record<string, string>,
  { pythonWish, trainer }: EngineParts,
): Promise<EngineChoice> {
  if (trainer) return { trainer, reason: 'another trainer, as HOLDFAST_TRAINER says' };
  if (engine === 'node') return { reason: 'the embedded engine, as the recipe says' };
  if (engine === 'torch') {
    return { python: await choosePython(pythonWish), reason: 'the torch engine, as the recipe says' };
  }
  const why = await whyNotByItself(paths[model]);
  if (why === null) return { reason: 'the embedded engine: it computes this model and needs nothing installed' };
  return { python: await choosePython(pythonWish), reason: `the torch engine: for the embedded one ${why}` };
}

const largestConfig = 1024 * 1024;

const rope = z.looseObject({ rope_type: z.string().optional(), type: z.string().optional() }).nullish();
const traitsSchema: z.ZodType<ModelTraits> = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().optional(),
  hidden_act: z.string().optional(),
  rope_scaling: rope,
  rope_parameters: rope,
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  sliding_window: z.number().nullish(),
  quantization_config: z.unknown().optional(),
});

/** A config.json that cannot be read is left to the engine, which says what is wrong with it. */
async function whyNotByItself(folder: string | undefined): Promise<string | null> {
  if (!folder) return null;
  const traits = traitsSchema.safeParse(await readConfig(join(folder, 'config.json')));
  return traits.success ? whyNotEmbedded(traits.data) : null;
}

/** In the cache of the Hub it is a link. */
async function readConfig(file: string): Promise<unknown> {
  try {
    return (await stat(file)).size <= largestConfig ? JSON.parse(await readFile(file, 'utf8')) : null;
  } catch {
    return null;
  }
}
