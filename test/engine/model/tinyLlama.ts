/** The fixtures: tiny models of each family with torch's numbers, and recipes to tune them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Batch } from '../../../src/engine/batch.ts';
import { openTuningModel } from '../../../src/engine/model/openTuningModel.ts';
import type { TuningModel } from '../../../src/engine/model/tuningModel.ts';
import type { Runtime } from '../../../src/engine/runtime/runtime.ts';
import { SafetensorsFile } from '../../../src/engine/weights/safetensors.ts';
import { type RecipeInput, type ResolvedRecipe, recipeSchema } from '../../../src/recipe/schema.ts';

export const fixtureNames = ['tied', 'untied', 'llama3', 'linear', 'qwen2', 'qwen3'] as const;
export type FixtureName = (typeof fixtureNames)[number];

export const fixtureFolder = (name: FixtureName): string =>
  fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

export interface Numbers {
  ids: number[][];
  labels: number[][];
  loss: number;
  logits: number[];
  adamw: {
    learning_rate: number;
    weight_decay: number;
    beta1: number;
    beta2: number;
    epsilon: number;
    max_grad_norm: number;
    losses: number[];
    gradient_norms: number[];
  };
}

export const numbersOf = (name: FixtureName): Numbers =>
  JSON.parse(readFileSync(join(fixtureFolder(name), 'numbers.json'), 'utf8')) as Numbers;

export async function tensorsOf(name: FixtureName, file: string): Promise<Map<string, Float32Array>> {
  const opened = await SafetensorsFile.open(join(fixtureFolder(name), file));
  const tensors = new Map<string, Float32Array>();
  for (const tensor of opened.tensors.keys()) tensors.set(tensor, await opened.read(tensor));
  await opened.close();
  return tensors;
}

export type RecipeParts = Partial<
  Pick<RecipeInput, 'adapter' | 'method' | 'train' | 'output' | 'runtime' | 'provider'>
>;

export function recipe(parts: RecipeParts = {}): ResolvedRecipe {
  const parsed = recipeSchema.parse({ model: 'tiny', data: { train: 'rows.jsonl' }, ...parts });
  const train = { ...parsed.train, micro_batch_size: parsed.train.micro_batch_size ?? parsed.train.batch_size };
  return {
    ...parsed,
    name: 'test',
    variant: 'as-written',
    data: { train: 'rows.jsonl', eval: {} },
    retain: { base: 'tiny', probes: {}, prompts: [] },
    train,
  };
}

/** Opens a fixture, hands it to `use`, and closes it. */
export async function withModel<T>(
  options: RecipeParts & { name?: FixtureName; folder?: string; threads?: number; opened?: Runtime },
  use: (model: TuningModel) => Promise<T>,
): Promise<T> {
  const { name = 'tied', folder = fixtureFolder(name), threads = 1, opened, ...parts } = options;
  const model = await openTuningModel({ folder, recipe: recipe(parts), threads, runtime: opened });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

export function batchOf(rows: number[][], labels: number[][], kinds = rows.map(() => 0)): Batch {
  const length = rows[0]!.length;
  return {
    rows: rows.length,
    length,
    ids: Int32Array.from(rows.flat()),
    labels: Int32Array.from(labels.flat()),
    positions: Int32Array.from(rows.flatMap(row => row.map((_, i) => i))),
    segments: new Int32Array(rows.length * length).fill(1),
    kinds: Uint8Array.from(kinds),
  };
}

export function fixtureBatch(name: FixtureName = 'tied', kinds?: number[]): Batch {
  const { ids, labels } = numbersOf(name);
  return batchOf(ids, labels, kinds);
}

/** Pseudo-random rows over the fixtures' vocabulary; every token is a target. */
export function someBatch(seed: number, rows = 2, length = 12, kinds?: number[]): Batch {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * 48);
  };
  const documents = Array.from({ length: rows }, () => Array.from({ length: length + 1 }, next));
  return batchOf(
    documents.map(row => row.slice(0, -1)),
    documents.map(row => row.slice(1)),
    kinds,
  );
}

export const allWeights = async (model: TuningModel): Promise<Map<string, Float32Array>> => {
  const entries = model.state.entries().filter(({ kind }) => kind === 'weight' || kind === 'frozen');
  return new Map(await Promise.all(entries.map(async ({ name }) => [name, await model.read(name)] as const)));
};
