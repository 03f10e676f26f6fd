/**
 * The recipe's keys: one source of types, defaults, units, ranges and help. The JSON schema for completion and the
 * reference in the docs are generated from here. Knows nothing of files or of positions in a text.
 */
import { z } from 'zod';

const path = z.string().min(1).max(1024);
const share = z.number().min(0).lt(1);
const positive = z.number().positive();
const count = z.number().int().positive();

const budget = z
  .union([z.strictObject({ nats: z.number().min(0) }), z.strictObject({ points: z.number().min(0).max(100) })])
  .describe(
    'How much may be lost before the verdict says "forgot": a rise of loss in nats per token, or a drop of accuracy in points.',
  );

export const probeSchema = z.strictObject({
  file: path.describe('Held-out items that stand for what must not be lost: txt, or jsonl of text, choice or pairs.'),
  budget: budget.optional(),
});

const retain = z.strictObject({
  base: path
    .optional()
    .describe('The model that forgetting is measured against; a folder or a name. Default: the model itself.'),
  probes: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/), probeSchema)
    .default({})
    .describe('Probe sets by name.'),
  prompts: z
    .array(z.string().min(1).max(4096))
    .max(32)
    .default([])
    .describe('Prompts answered by the base and by the tuned model at each evaluation.'),
});

const adapter = z.strictObject({
  type: z.literal('lora').describe('Low-rank adapters; the base weights stay frozen.'),
  r: count.max(1024).default(8).describe('Rank.'),
  alpha: positive.default(16).describe('Scale: the update is multiplied by alpha / r.'),
  target_modules: z
    .array(z.string())
    .min(1)
    .default(['q_proj', 'v_proj'])
    .describe('Names of the linear maps that get an adapter.'),
  output: z.enum(['adapter', 'merged']).default('adapter').describe('Write a PEFT adapter folder, or a merged model.'),
});

const replay = z.strictObject({
  data: path.describe('Rows of the old distribution, added beside the task rows. Never a probe file.'),
  share: share.default(0.2).describe('Share of all rows that are replay rows.'),
});

const regularize = z.strictObject({
  kind: z
    .literal('kl')
    .default('kl')
    .describe('KL divergence between the base and the tuned next-token distributions.'),
  weight: z.number().min(0).default(0.5).describe('Weight of the penalty beside the task loss.'),
  on: z
    .array(z.enum(['task', 'replay']))
    .min(1)
    .default(['task'])
    .describe('Rows whose target tokens are regularized.'),
  teacher: z
    .enum(['auto', 'copy', 'swap'])
    .default('auto')
    .describe(
      'Where base logits come from: a second copy of the weights, or the tuned tensors swapped for their base values.',
    ),
  direction: z
    .enum(['forward', 'reverse'])
    .default('forward')
    .describe('forward: KL(base ‖ tuned). reverse: KL(tuned ‖ base).'),
  temperature: positive.default(1).describe('Softmax temperature T; the penalty carries the factor T².'),
});

const tuneEntry = z.union([z.string().min(1), z.strictObject({ last_layers: count })]);
const narrow = z.strictObject({
  tune: z
    .array(tuneEntry)
    .min(1)
    .default(['gate_proj', 'up_proj'])
    .describe('What trains; entries unite: attention, mlp, module names, or {last_layers: N}.'),
  learning_rate: positive.optional().describe('Own learning rate, since few parameters often want a higher one.'),
});

const method = z.strictObject({
  replay: replay.optional(),
  regularize: regularize.optional(),
  narrow: narrow.optional(),
});

const train = z.strictObject({
  max_steps: count.optional().describe('Optimizer steps. Default 200 when num_epochs is not given either.'),
  num_epochs: positive.optional().describe('Passes over the task data, instead of max_steps.'),
  batch_size: count.max(4096).default(8).describe('Task sequences per optimizer step.'),
  micro_batch_size: count
    .max(4096)
    .optional()
    .describe('Sequences per forward pass; gradients are accumulated. Default: batch_size.'),
  max_length: count.default(128).describe('Tokens per sequence.'),
  packing: z
    .boolean()
    .default(false)
    .describe('Pack several documents into one row; attention stops at their borders.'),
  too_long: z.enum(['error', 'cut', 'drop']).default('error').describe('What happens to a row longer than max_length.'),
  learning_rate: positive.default(1e-3).describe('Peak learning rate.'),
  lr_scheduler: z.enum(['cosine', 'linear', 'constant']).default('cosine').describe('Shape after the warm-up.'),
  warmup_steps: z.number().int().min(0).default(0).describe('Steps over which the rate rises from 0.'),
  weight_decay: z.number().min(0).default(0).describe('Decoupled decay (AdamW); never on norms.'),
  adam_beta1: share.default(0.9).describe('AdamW: decay of the first moment.'),
  adam_beta2: share.default(0.999).describe('AdamW: decay of the second moment.'),
  adam_epsilon: positive.default(1e-8).describe('AdamW: added to the denominator.'),
  max_grad_norm: positive.default(1).describe('Gradients are clipped to this global norm.'),
  seed: z.number().int().min(0).max(0xffffffff).default(1).describe('Seed of every random stream.'),
});

const evaluate = z.strictObject({
  every: count.default(25).describe('Steps between evaluations.'),
  items: count.default(32).describe('Items of each probe set scored during the run; the end uses all.'),
});

const checkpoint = z.strictObject({
  every: count.default(50).describe('Steps between checkpoints.'),
  keep: z
    .array(z.enum(['best', 'last', 'all']))
    .min(1)
    .default(['best', 'last'])
    .describe('Which checkpoints stay.'),
});

const data = z.strictObject({
  train: path.describe('Task rows: jsonl (text, prompt/completion, messages, alpaca, sharegpt) or txt.'),
  eval: z
    .union([path, z.record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/), path)])
    .optional()
    .describe('Held-out task rows that measure learning: a path, or a map of names to paths.'),
});

export const recipeSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,39}$/)
    .optional()
    .describe('Name of the experiment. Default: the file name.'),
  model: path.describe('holdfast-tiny (shipped), a folder in Hugging Face layout, or org/name.'),
  data,
  retain: retain.optional().describe('What must not be lost, and how that is measured.'),
  adapter: adapter.optional(),
  method: method.prefault({}),
  train: train.prefault({}),
  evaluate: evaluate.prefault({}),
  checkpoint: checkpoint.prefault({}),
  output: z
    .strictObject({
      dtype: z.enum(['auto', 'f32', 'f16', 'bf16']).default('auto').describe('auto: as the base model was stored.'),
    })
    .prefault({}),
  engine: z.enum(['auto', 'node']).default('auto').describe('auto chooses and says why.'),
  runtime: z.enum(['auto', 'onnxruntime']).default('auto').describe('auto chooses and says why.'),
});

/** A recipe as written, after the schema: defaults filled in, method sections still optional. */
export type Recipe = z.output<typeof recipeSchema>;
export type RecipeInput = z.input<typeof recipeSchema>;
export type Budget = z.output<typeof budget>;

export const variantNames = ['plain', 'replay', 'regularized', 'narrow', 'as-written'] as const;
export type VariantName = (typeof variantNames)[number];

/**
 * What a run really does: one variant, every default written out. `name` and `evaluated data` are settled; paths are
 * still as written, and `start.paths` maps each of them to an absolute path.
 */
export interface ResolvedRecipe extends Omit<Recipe, 'name' | 'data' | 'retain' | 'train'> {
  name: string;
  /** A variant's name, or a label such as `plain-third-rate` for an arm of a comparison. */
  variant: string;
  data: { train: string; eval: Record<string, string> };
  retain: { base: string; probes: Record<string, { file: string; budget?: Budget }>; prompts: string[] };
  train: Omit<Recipe['train'], 'micro_batch_size'> & { micro_batch_size: number };
}
