/**
 * A training configuration of axolotl or LLaMA-Factory as a recipe: what both say is translated, the rest is named. Knows
 * no files; what forgetting means is for the user to add.
 */
import { stringify } from 'yaml';
import { starterRetain } from './newRecipe.ts';
import type { RecipeInput } from './schema.ts';

type Config = Record<string, unknown>;
type Train = NonNullable<RecipeInput['train']>;

export const foreignKinds = ['axolotl', 'LLaMA-Factory'] as const;
export type ForeignKind = (typeof foreignKinds)[number];

export interface Untranslated {
  key: string;
  value: string;
  why: string;
}

export interface Translated {
  kind: ForeignKind;
  recipe: RecipeInput;
  /** Keys that have no counterpart, or another meaning. */
  untranslated: Untranslated[];
}

/** `null` for what is neither. */
export function kindOfConfig(config: Config): ForeignKind | null {
  if (typeof config.base_model === 'string') return 'axolotl';
  return typeof config.model_name_or_path === 'string' ? 'LLaMA-Factory' : null;
}

/** The same idea under its names in axolotl and in LLaMA-Factory → key of `train`, taken as it is. */
const plainKeys: Record<string, keyof Train> = {
  sequence_len: 'max_length',
  cutoff_len: 'max_length',
  sample_packing: 'packing',
  packing: 'packing',
  group_by_length: 'group_by_length',
  learning_rate: 'learning_rate',
  warmup_steps: 'warmup_steps',
  weight_decay: 'weight_decay',
  max_grad_norm: 'max_grad_norm',
  seed: 'seed',
  adam_beta1: 'adam_beta1',
  adam_beta2: 'adam_beta2',
  adam_epsilon: 'adam_epsilon',
  max_steps: 'max_steps',
  num_epochs: 'num_epochs',
  num_train_epochs: 'num_epochs',
};
const microKeys = ['micro_batch_size', 'per_device_train_batch_size'];
const schedulerKeys = ['lr_scheduler', 'lr_scheduler_type'];
const schedulers = ['cosine', 'linear', 'constant'];
/** Names of AdamW → whether its moments are in 8 bits. */
const optimizers = new Map<string, boolean>([
  ...['adamw_torch', 'adamw_torch_fused', 'adamw_hf'].map(name => [name, false] as const),
  ...['adamw_8bit', 'adamw_bnb_8bit'].map(name => [name, true] as const),
]);
const dataKeys = { train: ['datasets', 'dataset'], eval: ['test_datasets', 'eval_dataset'] };
/** Of a file that we cannot know. */
const placeholder = 'data/train.jsonl';
const readable = /\.(jsonl|ndjson|json|txt|csv|tsv|parquet)$/i;

export function translateConfig(config: Config, kind: ForeignKind): Translated {
  const reader = new Reader(config);
  const model = reader.take('base_model') ?? reader.take('model_name_or_path');
  const data = dataOf(reader);
  const adapter = adapterOf(reader);
  const train = trainOf(reader);
  const engine = adapter?.load_in_4bit || train.optim || train.torch_compile ? 'torch' : undefined;
  const every = (key: string) => reader.takeIf(key, value => typeof value === 'number' && Number.isInteger(value));
  const [evaluateEvery, checkpointEvery] = [every('eval_steps'), every('save_steps')];
  const recipe = {
    model,
    data,
    ...(adapter && { adapter }),
    train,
    ...(evaluateEvery !== undefined && { evaluate: { every: evaluateEvery } }),
    ...(checkpointEvery !== undefined && { checkpoint: { every: checkpointEvery } }),
    ...(engine && { engine }),
  } as RecipeInput;
  return { kind, recipe, untranslated: reader.rest() };
}

/** The recipe as a file: what it was, what is missing, and a first watch over what must not be lost. */
export function translatedText({ kind, recipe, untranslated }: Translated): string {
  const left = untranslated.map(({ key, value, why }) => `#   ${key}: ${value}   (${why})\n`);
  const rest = left.length === 0 ? '' : `# Not translated:\n${left.join('')}`;
  return `# From a configuration of ${kind}.\n${rest}\n${stringify(recipe)}\n${starterRetain}`;
}

function dataOf(reader: Reader): RecipeInput['data'] {
  const [train, held] = [fileOf(reader, dataKeys.train), fileOf(reader, dataKeys.eval)];
  return { train: train ?? placeholder, ...(held !== undefined && { eval: held }) };
}

/** Only the name of one file means the same here. */
function fileOf(reader: Reader, keys: string[]): string | undefined {
  for (const key of keys) {
    const file = nameOfFile(reader.peek(key));
    if (file !== undefined) {
      reader.take(key);
      return file;
    }
    reader.explain(key, 'name a file in the recipe: names of data sets and lists of them are not known here');
  }
  return undefined;
}

function nameOfFile(value: unknown): string | undefined {
  const only = Array.isArray(value) && value.length === 1 ? value[0] : value;
  const path =
    typeof only === 'object' && only !== null ? ((only as Config).data_files ?? (only as Config).path) : only;
  return typeof path === 'string' && readable.test(path) ? path : undefined;
}

function adapterOf(reader: Reader): RecipeInput['adapter'] {
  const kind = reader.peek('adapter') ?? reader.peek('finetuning_type');
  if (kind !== 'lora' && kind !== 'qlora') {
    if (reader.peek('finetuning_type') === 'full') reader.take('finetuning_type');
    return undefined;
  }
  for (const key of ['adapter', 'finetuning_type']) reader.take(key);
  const isIn4bit = [reader.takeIf('load_in_4bit', value => value === true), reader.takeIf('quantization_bit', is4)];
  const r = reader.take('lora_r') ?? reader.take('lora_rank');
  const alpha = reader.take('lora_alpha');
  const target_modules = targetsOf(reader);
  return {
    type: 'lora',
    ...(r !== undefined && { r: r as number }),
    ...(alpha !== undefined && { alpha: alpha as number }),
    ...(target_modules && { target_modules }),
    ...((kind === 'qlora' || isIn4bit.some(Boolean)) && { load_in_4bit: true }),
  };
}

const is4 = (value: unknown): boolean => value === 4;

function targetsOf(reader: Reader): string[] | undefined {
  const named = reader.take('lora_target_modules') ?? reader.take('lora_target');
  const isAll = reader.take('lora_target_linear') === true || named === 'all' || named === 'all-linear';
  if (isAll) return ['attention', 'mlp'];
  if (Array.isArray(named)) return named.map(String);
  return typeof named === 'string' ? named.split(',').map(name => name.trim()) : undefined;
}

function trainOf(reader: Reader): Train {
  const train: Record<string, unknown> = {};
  for (const [theirs, ours] of Object.entries(plainKeys)) {
    const value = reader.take(theirs);
    if (value !== undefined) train[ours] = typeof value === 'string' ? numberOr(value) : value;
  }
  // Where both are given, both tools train for max_steps; a negative one is none.
  if (typeof train.max_steps === 'number' && train.max_steps > 0) delete train.num_epochs;
  else delete train.max_steps;
  const micro = microKeys.map(key => reader.take(key)).find(value => typeof value === 'number');
  const accumulated = reader.take('gradient_accumulation_steps');
  if (typeof micro === 'number') {
    train.micro_batch_size = micro;
    train.batch_size = micro * (typeof accumulated === 'number' ? accumulated : 1);
  }
  for (const key of schedulerKeys) {
    const shape = reader.takeIf(key, value => schedulers.includes(String(value)));
    if (shape !== undefined) train.lr_scheduler = shape;
    reader.explain(key, `there are ${schedulers.join(', ')}; cosine is taken`);
  }
  const moments = reader.takeIf('optim', value => optimizers.has(String(value)));
  if (optimizers.get(String(moments))) train.optim = 'adamw_8bit';
  reader.explain('optim', 'there is AdamW, with its moments in f32 or in 8 bits; adamw is taken');
  if (reader.takeIf('torch_compile', value => value === true)) train.torch_compile = true;
  const ratio = reader.peek('warmup_ratio');
  if (typeof ratio === 'number' && typeof train.max_steps === 'number') {
    reader.take('warmup_ratio');
    train.warmup_steps = Math.round(ratio * train.max_steps);
  } else reader.explain('warmup_ratio', 'write train.warmup_steps: ratio × steps');
  return train as Train;
}

/** YAML 1.2 reads 1e-4 as a text in some tools' files. */
const numberOr = (text: string): number | string => (Number.isFinite(Number(text)) ? Number(text) : text);

/** Gives each key once, and knows what nobody took. */
class Reader {
  readonly #left: Map<string, unknown>;
  readonly #why = new Map<string, string>();

  constructor(config: Config) {
    this.#left = new Map(Object.entries(config).filter(([, value]) => value !== null && value !== undefined));
  }

  peek(key: string): unknown {
    return this.#left.get(key);
  }

  take(key: string): unknown {
    const value = this.#left.get(key);
    this.#left.delete(key);
    return value;
  }

  takeIf(key: string, fits: (value: unknown) => boolean): unknown {
    return this.#left.has(key) && fits(this.#left.get(key)) ? this.take(key) : undefined;
  }

  /** Why it is not translated, where it is there. */
  explain(key: string, why: string): void {
    this.#why.set(key, why);
  }

  rest(): Untranslated[] {
    return [...this.#left].map(([key, value]) => ({
      key,
      value: shorten(JSON.stringify(value)),
      why: this.#why.get(key) ?? 'there is no such key here',
    }));
  }
}

const shorten = (text: string): string => (text.length <= 80 ? text : `${text.slice(0, 80)}…`);
