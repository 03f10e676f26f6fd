/**
 * What people may have meant by a key or value that a recipe does not take: a slip of the finger, another tool's name
 * for it, a key in the wrong section, or something of later work. Knows the schema's keys, no positions.
 */
import * as z from 'zod';
import { recipeSchema } from './schema.ts';

/** Names of transformers, TRL, PEFT, axolotl, LLaMA-Factory, torchtune and Unsloth → ours. */
const foreignNames = new Map<string, string>(
  Object.entries({
    base_model: 'model',
    model_id: 'model',
    model_name: 'model',
    model_name_or_path: 'model',
    pretrained_model_name_or_path: 'model',
    dataset: 'data.train',
    datasets: 'data.train',
    train_file: 'data.train',
    train_dataset: 'data.train',
    dataset_path: 'data.train',
    eval_dataset: 'data.eval',
    eval_file: 'data.eval',
    validation_file: 'data.eval',
    test_file: 'data.eval',
    lora: 'adapter',
    peft: 'adapter',
    lora_rank: 'adapter.r',
    lora_r: 'adapter.r',
    rank: 'adapter.r',
    lora_alpha: 'adapter.alpha',
    lora_target: 'adapter.target_modules',
    lora_target_modules: 'adapter.target_modules',
    lora_modules: 'adapter.target_modules',
    lora_attn_modules: 'adapter.target_modules',
    quantization_bit: 'adapter.load_in_4bit',
    load_in_4_bit: 'adapter.load_in_4bit',
    modules: 'adapter.target_modules',
    epochs: 'train.num_epochs',
    num_epoch: 'train.num_epochs',
    n_epochs: 'train.num_epochs',
    num_train_epochs: 'train.num_epochs',
    steps: 'train.max_steps',
    num_steps: 'train.max_steps',
    train_steps: 'train.max_steps',
    max_train_steps: 'train.max_steps',
    max_steps_per_epoch: 'train.max_steps',
    cutoff_len: 'train.max_length',
    max_seq_length: 'train.max_length',
    max_seq_len: 'train.max_length',
    sequence_len: 'train.max_length',
    sequence_length: 'train.max_length',
    seq_len: 'train.max_length',
    block_size: 'train.max_length',
    model_max_length: 'train.max_length',
    train_batch_size: 'train.batch_size',
    global_batch_size: 'train.batch_size',
    per_device_train_batch_size: 'train.micro_batch_size',
    per_device_batch_size: 'train.micro_batch_size',
    device_train_microbatch_size: 'train.micro_batch_size',
    gradient_accumulation_steps: 'train.micro_batch_size',
    grad_accumulation_steps: 'train.micro_batch_size',
    accumulate_grad_batches: 'train.micro_batch_size',
    sample_packing: 'train.packing',
    lr: 'train.learning_rate',
    learningrate: 'train.learning_rate',
    peak_lr: 'train.learning_rate',
    scheduler: 'train.lr_scheduler',
    lr_scheduler_type: 'train.lr_scheduler',
    lr_schedule: 'train.lr_scheduler',
    warmup: 'train.warmup_steps',
    warmup_ratio: 'train.warmup_steps',
    num_warmup_steps: 'train.warmup_steps',
    wd: 'train.weight_decay',
    beta1: 'train.adam_beta1',
    beta2: 'train.adam_beta2',
    optimizer: 'train.optim',
    eps: 'train.adam_epsilon',
    adam_eps: 'train.adam_epsilon',
    gradient_clipping: 'train.max_grad_norm',
    clip_grad_norm: 'train.max_grad_norm',
    grad_clip: 'train.max_grad_norm',
    random_seed: 'train.seed',
    random_state: 'train.seed',
    eval_steps: 'evaluate.every',
    eval_every: 'evaluate.every',
    save_steps: 'checkpoint.every',
    save_every: 'checkpoint.every',
    save_total_limit: 'checkpoint.keep',
    torch_dtype: 'output.dtype',
    dtype: 'output.dtype',
    replay_ratio: 'method.replay.share',
    mix_ratio: 'method.replay.share',
    fraction: 'method.replay.share',
    ratio: 'method.replay.share',
    kl_weight: 'method.regularize.weight',
    kl_coef: 'method.regularize.weight',
    beta: 'method.regularize.weight',
    regularizer: 'method.regularize',
    regularization: 'method.regularize',
    trainable_modules: 'method.narrow.tune',
    unfrozen_parameters: 'method.narrow.tune',
    freeze: 'method.narrow.tune',
    eval_sets: 'retain.probes',
  }),
);

/** What a foreign key counts differently from ours. */
const differentMeaning = new Map<string, string>(
  Object.entries({
    warmup_ratio: 'It counts steps: ratio × max_steps.',
    gradient_accumulation_steps: 'Set it to batch_size divided by the accumulation steps.',
    grad_accumulation_steps: 'Set it to batch_size divided by the accumulation steps.',
    accumulate_grad_batches: 'Set it to batch_size divided by the accumulation steps.',
    per_device_train_batch_size: 'batch_size counts the sequences of a whole optimizer step.',
    per_device_batch_size: 'batch_size counts the sequences of a whole optimizer step.',
    save_total_limit: 'It lists what stays: best, last, all.',
    quantization_bit: 'It is true or false.',
    freeze: 'It lists what trains, not what is frozen.',
  }),
);

/** Keys that the design knows and this version does not. */
const laterKeys = new Set([
  'stages',
  'launch',
  'method.replay.source',
  'method.replay.seed',
  'method.regularize.layers',
  'adapter.dropout',
  'load_in_8bit',
  'train.load_in_8bit',
  'adapter.load_in_8bit',
]);

const laterValues = new Map<string, string[]>(
  Object.entries({
    'method.narrow.tune': ['half', 'principal', 'orthogonal'],
    'method.regularize.kind': ['l2sp', 'ewc', 'features'],
    'method.regularize.teacher': ['cache'],
  }),
);

/** Values of other tools → how it is said here. */
const foreignValues = new Map<string, Record<string, string>>(
  Object.entries({
    'train.optim': Object.fromEntries([
      ...['adamw_torch', 'adamw_torch_fused', 'adamw_hf'].map(name => [name, 'Here it is adamw.']),
      ...['adamw_bnb_8bit', 'paged_adamw_8bit', 'adamw8bit'].map(name => [name, 'Here it is adamw_8bit.']),
    ]),
    'train.precision': {
      fp32: 'Here it is f32.',
      fp16: 'Here it is f16.',
      float16: 'Here it is f16.',
      bfloat16: 'Here it is bf16.',
    },
    'adapter.type': { qlora: 'Here it is type: lora with load_in_4bit: true.' },
  }),
);

/** `path` without list indices. */
export const foreignValue = (path: string, value: unknown): string | undefined =>
  typeof value === 'string' ? foreignValues.get(path)?.[value] : undefined;

export const isLaterKey = (path: string): boolean => laterKeys.has(path);

/** `path` without list indices. */
export function isLaterValue(path: string, value: unknown): boolean {
  return typeof value === 'string' && (laterValues.get(path)?.includes(value) ?? false);
}

export interface Meant {
  /** Full key, `adapter.r`. */
  key: string;
  how: 'slip' | 'foreign' | 'elsewhere';
  note?: string;
}

/** What `key` under `section` ('' = top) may have been meant to be. */
export function meantKey(section: string, key: string): Meant | undefined {
  const siblings = keysOf(section);
  const full = (name: string): string => (section ? `${section}.${name}` : name);
  const spelled = snakeCase(key);
  if (siblings.includes(spelled)) return { key: full(spelled), how: 'slip' };
  const near = nearest(spelled, siblings);
  const exactForeign = foreignNames.get(spelled);
  if (exactForeign && exactForeign !== section)
    return { key: exactForeign, how: 'foreign', note: differentMeaning.get(spelled) };
  if (near) return { key: full(near), how: 'slip' };
  const elsewhere = allKeys()
    .filter(path => path.endsWith(`.${spelled}`) || path === spelled)
    .sort((a, b) => Number(b.startsWith('train.')) - Number(a.startsWith('train.')))[0];
  return elsewhere ? { key: elsewhere, how: 'elsewhere' } : undefined;
}

/** The closest of `names`, when it is close enough to be a slip. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const allowed = Math.max(1, Math.min(3, Math.floor(word.length / 3)));
  const ranked = names.map(name => ({ name, far: distance(word, name) })).sort((a, b) => a.far - b.far);
  return ranked[0] && ranked[0].far <= allowed ? ranked[0].name : undefined;
}

function snakeCase(key: string): string {
  return key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[-\s]+/g, '_')
    .toLowerCase();
}

interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  anyOf?: SchemaNode[];
}

let keys: string[] | undefined;

/** Every full key of the schema, sections before what they hold. */
export function allKeys(): string[] {
  if (keys) return keys;
  keys = [];
  const walk = (node: SchemaNode, prefix: string, into: string[]): void => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      into.push(prefix + name);
      walk(child, `${prefix}${name}.`, into);
    }
  };
  walk(z.toJSONSchema(recipeSchema, { io: 'input' }) as SchemaNode, '', keys);
  return keys;
}

export function keysOf(section: string): string[] {
  if (/^retain\.probes\.[^.]+$/.test(section)) return ['file', 'budget'];
  if (/^retain\.probes\.[^.]+\.budget$/.test(section)) return ['nats', 'points'];
  const prefix = section ? `${section}.` : '';
  return allKeys()
    .filter(path => path.startsWith(prefix) && !path.slice(prefix.length).includes('.'))
    .map(path => path.slice(prefix.length));
}

/** Edits between two words; swapping neighbours counts one. */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = best;
    }
  }
  return rows[a.length]![b.length]!;
}
