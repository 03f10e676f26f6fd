/**
 * Eight recipes that need memory and time for different reasons, with models of random weights and rows of random words
 * to run them on. Knows nothing of measuring.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RandomStream } from '../../src/engine/data/randomStreams.ts';
import { size } from '../../src/engine/graph/graph.ts';
import { parseModelConfig } from '../../src/engine/model/modelConfig.ts';
import { isNorm, parameterShapes } from '../../src/engine/model/parameters.ts';
import { writeSafetensors } from '../../src/engine/weights/safetensors.ts';
import type { RecipeInput } from '../../src/recipe/schema.ts';

export interface Shape {
  name: string;
  recipe: RecipeInput;
}

const models = {
  M: {
    ...{ vocab_size: 4096, hidden_size: 256, intermediate_size: 688, num_hidden_layers: 6 },
    ...{ num_attention_heads: 8, num_key_value_heads: 4 },
  },
  '135M': {
    ...{ vocab_size: 49_152, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30 },
    ...{ num_attention_heads: 9, num_key_value_heads: 3 },
  },
};
type ModelName = keyof typeof models;

export const kl = (teacher: 'copy' | 'swap'): RecipeInput['method'] => ({
  regularize: { kind: 'kl', weight: 0.5, teacher },
});
export const lora = (target_modules: string[]): RecipeInput['adapter'] => ({
  type: 'lora',
  r: 8,
  alpha: 16,
  target_modules,
});
export const everyMap = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];

/** One batch of each: what is scored takes most of the time of a short run. */
const shortSets = {
  data: { train: 'train.txt', eval: 'short-eval.txt' },
  retain: { probes: { general: { file: 'short-general.txt' } } },
};

export const shapes: Shape[] = [
  shape('full', 'M', {}),
  shape('LoRA', 'M', { adapter: lora(['q_proj', 'v_proj']) }),
  shape('narrow', 'M', { method: { narrow: { tune: ['attention'] } } }),
  shape('KL copy', 'M', { method: kl('copy') }),
  shape('KL swap', 'M', { method: { ...kl('swap'), narrow: { tune: ['mlp'] } } }),
  shape('two lengths', 'M', { data: { train: 'mixed.jsonl', eval: 'eval.txt' } }, { max_length: 256 }),
  shape('accumulation', 'M', {}, { batch_size: 16, micro_batch_size: 4 }),
  shape('135M LoRA', '135M', { adapter: lora(everyMap), ...shortSets }, { batch_size: 1, max_length: 256 }),
];

function shape(name: string, model: ModelName, parts: Partial<RecipeInput>, train: RecipeInput['train'] = {}): Shape {
  const data = { train: 'train.txt', eval: 'eval.txt' };
  const retain = { probes: { general: { file: 'general.txt' } } };
  const common = { batch_size: 8, max_length: 128, max_steps: 8, learning_rate: 1e-4, too_long: 'cut' as const };
  return { name, recipe: { model, data, retain, ...parts, train: { ...common, ...train } } };
}

/** Makes models and data in `folder`, those that are not there. */
export async function makeWorkplace(folder: string, tokenizerFolder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of Object.keys(models) as ModelName[]) await makeModel(join(folder, name), name, tokenizerFolder);
  const texts = { 'train.txt': 1, 'eval.txt': 2, 'general.txt': 3 };
  for (const [name, seed] of Object.entries(texts)) {
    await writeFile(join(folder, name), someText(seed, 4, 400));
    await writeFile(join(folder, `short-${name}`), someText(seed, 1, 100));
  }
  const rows = Array.from({ length: 200 }, (_, i) => {
    const completion = words(4, 1000 * i, i % 2 === 0 ? 12 : 300);
    return `${JSON.stringify({ prompt: `${i}:`, completion })}\n`;
  });
  await writeFile(join(folder, 'mixed.jsonl'), rows.join(''));
}

async function makeModel(folder: string, name: ModelName, tokenizerFolder: string): Promise<void> {
  if (existsSync(join(folder, 'model.safetensors'))) return;
  const raw = {
    ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', max_position_embeddings: 2048 },
    ...{ rms_norm_eps: 1e-5, tie_word_embeddings: true, hidden_act: 'silu', bos_token_id: 0, eos_token_id: 0 },
    ...models[name],
  };
  await mkdir(folder, { recursive: true });
  await cp(join(tokenizerFolder, 'tokenizer_config.json'), join(folder, 'tokenizer_config.json'));
  await writeFile(join(folder, 'tokenizer.json'), await paddedTokenizer(tokenizerFolder, raw.vocab_size));
  await writeFile(join(folder, 'config.json'), JSON.stringify(raw));
  const tensors = parameterShapes(parseModelConfig(raw));
  let state = 1;
  const infos = [...tensors].map(([tensor, shape]) => ({ name: tensor, shape: [...shape], dtype: 'bf16' as const }));
  await writeSafetensors(join(folder, 'model.safetensors'), infos, tensor => {
    const values = new Float32Array(size(tensors.get(tensor)!));
    if (isNorm(tensor)) return values.fill(1);
    for (let i = 0; i < values.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      values[i] = (state / 2 ** 32 - 0.5) * 0.07;
    }
    return values;
  });
}

/** With as many tokens as the model has, of which most never come. */
async function paddedTokenizer(folder: string, tokens: number): Promise<string> {
  const tokenizer = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  const { vocab } = tokenizer.model;
  for (let id = Object.keys(vocab).length; id < tokens; id++) vocab[`<never ${id}>`] = id;
  return JSON.stringify(tokenizer);
}

function someText(seed: number, paragraphs: number, count: number): string {
  return Array.from({ length: paragraphs }, (_, i) => words(seed, i * count, count)).join('\n\n');
}

function words(seed: number, from: number, count: number): string {
  const stream = new RandomStream(seed, 'draw');
  const letter = (i: number) => String.fromCharCode(97 + (stream.uint32(i) % 26));
  return Array.from({ length: count }, (_, i) => [0, 1, 2].map(k => letter(3 * (from + i) + k)).join('')).join(' ');
}
