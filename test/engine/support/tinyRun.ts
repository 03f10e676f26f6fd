/**
 * A real tiny model with data to train it on, for tests of the loop: folders in the system's temporary folder, made from
 * seeds. Nothing in it is faked.
 */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openFreshModel } from '../../../src/engine/model/openTuningModel.ts';
import type { StartCommand } from '../../../src/protocol/trainer.ts';
import { type RecipeInput, type ResolvedRecipe, recipeSchema } from '../../../src/recipe/schema.ts';
import { temporaryFolder } from '../../runs/testStore.ts';

export const tokenizerFolder = 'test/engine/fixtures/tiny-tokenizer';

export const tinyConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 320,
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  hidden_act: 'silu',
  bos_token_id: 0,
  eos_token_id: 1,
};

/** Where tensors must be worth quantizing: as wide as a block of 64. */
export const wideConfig = { ...tinyConfig, hidden_size: 64, intermediate_size: 128 };

/** A Hugging Face folder with random weights and the tiny tokenizer. */
export async function makeTinyModel(
  folder: string,
  seed = 1,
  config: Record<string, unknown> = tinyConfig,
): Promise<void> {
  const train = { weight_decay: 0, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, max_grad_norm: 1 };
  const model = await openFreshModel({ config, seed, train, tokenizerFolder, threads: 1 });
  await model.save(folder, {});
  await model.close();
}

const names = ['Mara', 'Hugo', 'Ida', 'Felix', 'Sonja', 'Edgar', 'Olga', 'Tobin', 'Clara', 'Viktor'];
const verbs = ['sells', 'likes', 'buys', 'eats', 'finds', 'wants'];
const things = ['bread', 'fish', 'the hat', 'a lamp', 'nuts', 'soup', 'the old chair'];
const pick = <T>(list: T[], i: number): T => list[i % list.length]!;
const sentence = (i: number): string =>
  `${pick(names, i)} ${pick(verbs, i * 7 + 3)} ${pick(things, i * 5 + (i >> 3))} in town ${i}.`;

export interface TinyFiles {
  folder: string;
  model: string;
  start(recipe: TinyRecipe, more?: Partial<StartCommand>): StartCommand;
}

export type TinyRecipe = Omit<Partial<RecipeInput>, 'model'>;

/** Data of every kind beside a model: task rows, held-out rows, replay rows and three probe sets. */
export async function makeTinyFiles(config: Record<string, unknown> = tinyConfig): Promise<TinyFiles> {
  const folder = temporaryFolder('run');
  const model = join(folder, 'model');
  await makeTinyModel(model, 1, config);
  const jsonl = (rows: object[]): string => rows.map(row => `${JSON.stringify(row)}\n`).join('');
  const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);
  const files: Record<string, string> = {
    'train.jsonl': jsonl(range(0, 40).map(i => ({ prompt: `code ${i}:`, completion: ` ${(i * 37) % 100}-${i % 10}` }))),
    'eval.jsonl': jsonl(range(40, 12).map(i => ({ prompt: `code ${i}:`, completion: ` ${(i * 37) % 100}-${i % 10}` }))),
    'replay.txt': range(1000, 60).map(sentence).join('\n\n'),
    'general.txt': range(2000, 60).map(sentence).join('\n\n'),
    'sums.jsonl': jsonl(
      range(0, 55).map(i => ({ context: `${i} + 7 =`, choices: [` ${i + 7}`, ` ${i + 8}`, ` ${i + 17}`], gold: 0 })),
    ),
    'grammar.jsonl': jsonl(range(0, 52).map(i => ({ good: `the dogs run ${i}`, bad: `the dogs runs ${i}` }))),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  let runs = 0;
  return {
    folder,
    model,
    start: (recipe, more = {}) => startOf(folder, `run-${runs++}`, { ...recipe, model: 'model' }, more),
  };
}

function startOf(
  folder: string,
  run: string,
  recipe: TinyRecipe & { model: string },
  more: Partial<StartCommand>,
): StartCommand {
  const whole = recipeSchema.parse({
    data: { train: 'train.jsonl', eval: 'eval.jsonl' },
    retain: {
      probes: {
        general: { file: 'general.txt', budget: { nats: 0.5 } },
        sums: { file: 'sums.jsonl', budget: { points: 20 } },
        grammar: { file: 'grammar.jsonl' },
      },
    },
    ...recipe,
    train: { max_steps: 6, batch_size: 4, max_length: 32, learning_rate: 5e-3, ...recipe.train },
  });
  const evals = whole.data.eval ?? {};
  const resolved: ResolvedRecipe = {
    ...whole,
    name: 'tiny',
    variant: 'as-written',
    data: { train: whole.data.train, eval: typeof evals === 'string' ? { eval: evals } : evals },
    retain: { base: whole.model, probes: {}, prompts: [], ...whole.retain },
    train: { ...whole.train, micro_batch_size: whole.train.micro_batch_size ?? whole.train.batch_size },
  };
  resolved.retain.base ??= whole.model;
  const written = [
    resolved.model,
    resolved.retain.base,
    resolved.data.train,
    ...Object.values(resolved.data.eval),
    ...Object.values(resolved.retain.probes).map(({ file }) => file),
    ...(resolved.method.replay ? [resolved.method.replay.data] : []),
  ];
  const output = (name: string): string => join(folder, run, name);
  return {
    type: 'start',
    job: 'train',
    attempt: 1,
    recipe: resolved,
    paths: Object.fromEntries(written.map(path => [path, join(folder, path)])),
    outputs: {
      checkpoints: output('checkpoints'),
      items: output('items'),
      samples: output('samples'),
      model: output('model'),
      cache: join(folder, 'cache'),
    },
    threads: 1,
    ...more,
  };
}

export const copyFolder = async (from: string, to: string): Promise<void> => {
  await mkdir(to, { recursive: true });
  await cp(from, to, { recursive: true });
};
