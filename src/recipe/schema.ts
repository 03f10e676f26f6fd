/**
 * The recipe's keys: one source of types, defaults, units, ranges and help. The JSON schema for completion and the
 * reference in the docs are generated from here. Knows nothing of files or of positions in a text.
 */
import * as z from 'zod';
import { autoSet } from './autoSet.ts';

const path = z.string().min(1).max(1024);
const share = z.number().min(0).lt(1);
const positive = z.number().positive();
const count = z.number().int().positive();
const name = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/);

const budget = z
  .union([
    z.strictObject({
      nats: z.number().min(0).describe('Rise of the mean loss that is still "kept", in nats per token.'),
    }),
    z.strictObject({
      points: z
        .number()
        .min(0)
        .max(100)
        .describe('Drop of accuracy that is still "kept", in points. For choice and pairs.'),
    }),
  ])
  .meta({
    description:
      'How much may be lost before the verdict says "forgot": a rise of loss in nats per token, or a drop of accuracy in points. Without it there are numbers and no verdict.',
    examples: [{ nats: 0.05 }, { points: 2 }],
  });

const probeSchema = z.strictObject({
  file: path.meta({
    description:
      'Held-out items that stand for what must not be lost: txt (an item is a paragraph), or jsonl, json, csv, tsv or parquet of text, choice {context, choices, gold} or pairs {good, bad}, or a task of lm-evaluation-harness (yaml) with its data beside it. 50 items at least for a verdict, 200 for a narrow budget. Never trained on.',
    examples: ['data/general.txt'],
  }),
  budget: budget.optional(),
});

const auto = z
  .strictObject({
    items: count.max(10_000).default(200).describe('Texts that the base writes. 50 at least for a verdict.'),
    tokens: z
      .number()
      .int()
      .min(8)
      .max(4096)
      .default(64)
      .describe('Tokens of each; where the base ends a text sooner, it begins another. At most train.max_length − 1.'),
    budget: z
      .strictObject({ nats: z.number().min(0).describe('KL(base ‖ tuned) that is still "kept", in nats per token.') })
      .optional()
      .describe('How much may be lost before the verdict says "forgot". Without it there are numbers and no verdict.'),
  })
  .describe(
    'A probe set that needs no data: texts that the base itself writes, once, before the first step. Their rise of loss estimates KL(base ‖ tuned) on what the base says unasked. `retain: auto` is short for it. See below.',
  );

const answers = z
  .strictObject({
    max_new_tokens: count.max(1024).default(48).describe('Tokens of an answer at most.'),
    temperature: z
      .number()
      .min(0)
      .max(10)
      .default(0)
      .describe(
        '0: always the likeliest token. Above 0 tokens are drawn, at 1 as likely as the model thinks them; with the same random numbers at every evaluation, so that answers differ by the model alone.',
      ),
    top_p: z
      .number()
      .positive()
      .max(1)
      .default(1)
      .describe('Drawn are only the likeliest tokens that together have this probability.'),
    stop: z
      .array(z.string().min(1).max(256))
      .max(16)
      .default([])
      .describe('An answer ends before the first of these texts.'),
  })
  .describe('How prompts are answered. Not for a `command`, whose answers are greedy.');

const retainSection = z
  .strictObject({
    base: path
      .optional()
      .describe('The model that forgetting is measured against: a folder or a name. Default: `model` itself.'),
    probes: z
      .record(name, probeSchema)
      .default({})
      .describe('Probe sets by name. Each is scored on the base and on the tuned model; the worst gives the verdict.'),
    auto: auto.optional(),
    prompts: z
      .array(z.string().min(1).max(4096))
      .max(32)
      .default([])
      .describe('Prompts answered by the base and by the tuned model at each evaluation, side by side.'),
    answers: answers.optional(),
  })
  .describe('What must not be lost, and how that is measured. Without it nothing watches for forgetting.');

const retain = z.preprocess(value => (value === autoSet ? { auto: {} } : value), retainSection);

const adapter = z
  .strictObject({
    type: z.literal('lora').describe('Low-rank adapters; the base weights stay frozen.'),
    r: count.max(1024).default(8).describe('Rank. More rank learns more and, at the same rate, forgets more.'),
    alpha: positive.default(16).describe('Scale: the update is multiplied by alpha / r.'),
    target_modules: z
      .array(z.string())
      .min(1)
      .default(['q_proj', 'v_proj'])
      .describe('Names of the linear maps that get an adapter.'),
    output: z
      .enum(['adapter', 'merged'])
      .default('adapter')
      .describe('Write a PEFT adapter folder, or a merged model.'),
    use_rslora: z
      .boolean()
      .optional()
      .describe(
        'rsLoRA: the update is multiplied by alpha / √r, so that a high rank does not fade. Needs engine: torch.',
      ),
    use_dora: z
      .boolean()
      .optional()
      .describe('DoRA: length and direction of the weights are tuned apart. Slower. Needs engine: torch.'),
    load_in_4bit: z
      .boolean()
      .optional()
      .describe(
        'QLoRA: the frozen maps of the base are held in 4 bits (NF4), a quarter of their memory in bf16. Forgetting is measured against that base. Needs engine: torch and bitsandbytes.',
      ),
  })
  .describe('Train small adapters beside frozen weights. Equal in all variants.');

const replay = z
  .strictObject({
    data: path.meta({
      description:
        'Rows of the old distribution, as data.train takes them, added beside the task rows. Never a probe file.',
      examples: ['data/general.replay.txt'],
    }),
    share: share
      .default(0.2)
      .describe(
        'Share of all rows that are replay rows, from 0 to below 1. 0.1 to 0.25 is usual; each step gets longer by share / (1 − share). Keeps what the rows are like, and little else.',
      ),
  })
  .describe(
    'Train on old text beside the new: keeps what is replayed. Probe sets of the same kind win by construction.',
  );

const regularize = z
  .strictObject({
    kind: z
      .literal('kl')
      .default('kl')
      .describe('KL divergence between the next-token distributions of base and tuned model.'),
    weight: z
      .number()
      .min(0)
      .default(0.5)
      .describe('Weight of the penalty beside the task loss. More keeps more and learns less; 0 is plain tuning.'),
    on: z
      .array(z.enum(['task', 'replay']))
      .min(1)
      .default(['task'])
      .describe('Rows whose target tokens are held to the base. replay needs method.replay.'),
    teacher: z
      .enum(['auto', 'copy', 'swap'])
      .default('auto')
      .describe(
        "Where the base's predictions come from: a second copy of the weights (more memory), or the tuned tensors swapped for their base values (more time). auto chooses and says why.",
      ),
    direction: z
      .enum(['forward', 'reverse'])
      .default('forward')
      .describe(
        'forward: KL(base ‖ tuned), keeps every answer of the base possible. reverse: KL(tuned ‖ base), allows nothing that the base would not say.',
      ),
    temperature: positive
      .default(1)
      .describe('Softmax temperature T; the penalty carries the factor T². Above 1, unlikely tokens count more.'),
  })
  .describe("Stay close to the base model's own predictions. Needs no old data.");

const tuneEntry = z.union([
  z.string().min(1),
  z.strictObject({ last_layers: count.describe('Everything in the last N layers.') }),
]);
const narrow = z
  .strictObject({
    tune: z
      .array(tuneEntry)
      .min(1)
      .default(['gate_proj', 'up_proj'])
      .meta({
        description:
          'What trains; all else is frozen bit for bit. Entries unite: attention, mlp, module names, or {last_layers: N}. With an adapter: where adapters sit.',
        examples: [['gate_proj', 'up_proj'], ['attention'], [{ last_layers: 2 }]],
      }),
    learning_rate: positive
      .optional()
      .describe(
        'Peak learning rate of this part, instead of train.learning_rate: few parameters often want a higher one.',
      ),
  })
  .describe('Train few of the weights. Often keeps most of the learning at a part of the forgetting, and is faster.');

const method = z
  .strictObject({
    replay: replay.optional(),
    regularize: regularize.optional(),
    narrow: narrow.optional(),
  })
  .describe('Ways to keep what the model knew. Parts combine freely; none of them is plain tuning.');

const train = z
  .strictObject({
    max_steps: count.optional().describe('Optimizer steps. Default 200 when num_epochs is not given either.'),
    num_epochs: positive.optional().describe('Passes over the task data, instead of max_steps.'),
    batch_size: count.max(4096).default(8).describe('Task sequences per optimizer step; replay rows come on top.'),
    micro_batch_size: count
      .max(4096)
      .optional()
      .describe(
        'Sequences per forward pass; gradients are accumulated, so the result is the same and memory is saved. Divides batch_size. Default: batch_size.',
      ),
    max_length: z
      .number()
      .int()
      .min(2)
      .default(128)
      .describe('Tokens per sequence. Text is split to it; other rows obey too_long.'),
    packing: z
      .boolean()
      .default(false)
      .describe('Pack several documents into one row; attention and positions stop at their borders.'),
    group_by_length: z
      .boolean()
      .optional()
      .describe(
        'Rows of about the same length come into one batch, the longest first among 50 batches: less padding where lengths are mixed, and an order that is less random. packing leaves even less.',
      ),
    too_long: z
      .enum(['error', 'cut', 'drop'])
      .default('error')
      .describe('What happens to a row longer than max_length.'),
    learning_rate: positive
      .default(1e-3)
      .describe('Peak learning rate. The first thing to lower against forgetting: a third of it is a strong baseline.'),
    lr_scheduler: z.enum(['cosine', 'linear', 'constant']).default('cosine').describe('Shape after the warm-up.'),
    warmup_steps: z
      .number()
      .int()
      .min(0)
      .default(0)
      .describe('Steps over which the rate rises from 0. Must stay below max_steps.'),
    weight_decay: z
      .number()
      .min(0)
      .default(0)
      .describe('Decoupled decay towards 0 (AdamW); never on norms. Pulls away from the base as well.'),
    adam_beta1: share.default(0.9).describe('AdamW: decay of the first moment.'),
    adam_beta2: share.default(0.999).describe('AdamW: decay of the second moment.'),
    adam_epsilon: positive.default(1e-8).describe('AdamW: added to the denominator.'),
    optim: z
      .enum(['adamw', 'adamw_8bit'])
      .optional()
      .describe(
        "adamw, or adamw_8bit: AdamW's moments in 8 bits, a quarter of their memory; those of embeddings and of small tensors stay in f32. Needs engine: torch and bitsandbytes.",
      ),
    max_grad_norm: positive.default(1).describe('Gradients are clipped to this global norm.'),
    gradient_checkpointing: z
      .boolean()
      .optional()
      .describe(
        'Activations are computed again instead of kept: less memory, about a third more time, the same numbers.',
      ),
    precision: z
      .enum(['auto', 'f32', 'bf16', 'f16'])
      .optional()
      .describe(
        'What computes; what trains is held in f32 in any case. auto: bf16 on a GPU that has it, else f32. f16, for older GPUs, scales the loss and skips steps that overflow. Needs engine: torch.',
      ),
    torch_compile: z
      .boolean()
      .optional()
      .describe(
        'The layers are compiled for the passes that train; what is measured runs uncompiled. Takes a while at each new length of rows, of which there are four, and then less for each step; mostly on GPUs. Where there is no compiler the run goes on without, and says so. Needs engine: torch.',
      ),
    deterministic: z
      .boolean()
      .optional()
      .describe(
        'On a GPU, only operations that give the same bits each time: slower. On the CPU every run does. Needs engine: torch.',
      ),
    seed: z
      .number()
      .int()
      .min(0)
      .max(0xffffffff)
      .default(1)
      .describe('Seed of every random stream. One seed makes no claim about a method.'),
  })
  .describe('How training goes: length, batches, learning rate.');

const evaluate = z
  .strictObject({
    every: count
      .default(50)
      .describe(
        'Steps between evaluations: points of the forgetting curves. At 50 they take a tenth of the time or less, with one probe set and 8 rows a step.',
      ),
    items: count
      .default(32)
      .describe('Items of each probe set scored during the run, always the same ones; the end uses all.'),
  })
  .describe('When forgetting and learning are measured.');

const checkpoint = z
  .strictObject({
    every: count.default(50).describe('Steps between checkpoints.'),
    keep: z
      .array(z.enum(['best', 'last', 'all']))
      .min(1)
      .default(['best', 'last'])
      .describe('Which checkpoints stay. The newest one and those asked for always do.'),
    keep_every: count.optional().describe('Checkpoints whose step is a multiple of this stay too.'),
  })
  .describe('What is saved on the way.');

const rule = z.string().min(1).max(256);

const data = z
  .strictObject({
    train: path.meta({
      description:
        'Task rows: jsonl, json, csv, tsv or parquet (text, prompt/completion, messages, alpaca, sharegpt), or txt; a file, a folder of such files, or a pattern in a folder.',
      examples: ['data/train.jsonl', 'data/shards', 'data/train-*.jsonl'],
    }),
    eval: z
      .union([path, z.record(name, path)])
      .optional()
      .describe('Held-out task rows that measure learning: a path, or a map of names to paths.'),
  })
  .describe('What to teach.');

export const recipeSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,39}$/)
    .optional()
    .describe('Name of the experiment. Default: the file name.'),
  model: path.meta({
    description: 'The model to tune: holdfast-tiny (shipped), a folder in Hugging Face layout, or org/name.',
    examples: ['holdfast-tiny'],
  }),
  data,
  retain: retain.optional(),
  adapter: adapter.optional(),
  method: method.prefault({}),
  train: train.prefault({}),
  evaluate: evaluate.prefault({}),
  checkpoint: checkpoint.prefault({}),
  output: z
    .strictObject({
      dtype: z
        .enum(['auto', 'f32', 'f16', 'bf16'])
        .default('auto')
        .describe(
          'Number format of the written weights. auto: as the base model was stored. The verdict is taken after rounding to it.',
        ),
    })
    .describe('How the result is written.')
    .prefault({}),
  sweep: z
    .record(z.string().max(128), z.array(z.unknown()).min(1).max(100))
    .optional()
    .meta({
      description:
        'Key paths with lists of values: `holdfast sweep` (the lens Sweep) runs every combination, 100 at most. See below. Other runs take the values above.',
      examples: [{ 'method.regularize.weight': [0.1, 0.3, 1], 'train.seed': [1, 2, 3] }],
    }),
  stop_if: z
    .union([rule.transform(text => [text]), z.array(rule).max(32)])
    .optional()
    .meta({
      description:
        'Rules that end the run early, saved: METRIC is forgot, METRIC is nan, or METRIC > NUMBER (>=, <, <=), and "for N evals" or "for N steps" in a row. See below.',
    }),
  memory: z
    .enum(['refuse', 'try'])
    .optional()
    .describe(
      'What happens to a run that will take more memory than is free: refuse it before it starts, with the settings that would make it fit (the default), or try it all the same. The embedded engine only.',
    ),
  command: z
    .array(z.string().min(1).max(4096))
    .min(1)
    .max(64)
    .optional()
    .meta({
      description:
        'A training program of your own, as a list of words, started in the folder of the recipe instead of an engine, after you have seen it and agreed. It decides how it trains: no `method` is applied. See byo-trainer.md.',
      examples: [['python', 'train.py']],
    }),
  engine: z
    .enum(['auto', 'node', 'torch'])
    .default('auto')
    .describe(
      'What trains: node, the embedded engine that needs nothing installed, or torch, for any transformers model (`holdfast doctor --install torch`). auto takes node wherever it computes the model, and says why.',
    ),
  runtime: z
    .enum(['auto', 'onnxruntime', 'tensorflow'])
    .default('auto')
    .describe(
      'What the embedded engine calculates with: onnxruntime on the CPU, or tensorflow (`holdfast doctor --install tensorflow`), on an NVIDIA GPU where there is one. auto takes onnxruntime unless TensorFlow is set up and has found a GPU, and says why.',
    ),
  provider: z
    .enum(['auto', 'cpu', 'webgpu', 'dml', 'cuda'])
    .optional()
    .describe(
      'What onnxruntime computes on: cpu, or a GPU through webgpu, dml (DirectML, on Windows) or cuda (where its libraries are). auto, the default, is the CPU: the GPUs were not measured yet. `holdfast doctor` says which open.',
    ),
});

/** A recipe as written, after the schema: defaults filled in, method sections still optional. */
export type Recipe = z.output<typeof recipeSchema>;
export type RecipeInput = z.input<typeof recipeSchema>;
export type Budget = z.output<typeof budget>;
export type AutoProbe = z.output<typeof auto>;
export type AnswerSettings = z.output<typeof answers>;

export const variantNames = ['plain', 'replay', 'regularized', 'narrow', 'as-written'] as const;
export type VariantName = (typeof variantNames)[number];

/**
 * What a run really does: one variant, every default written out. `name` and `evaluated data` are settled; paths are
 * still as written, and `start.paths` maps each of them to an absolute path.
 */
export interface ResolvedRecipe extends Omit<Recipe, 'name' | 'data' | 'retain' | 'train' | 'sweep'> {
  name: string;
  /** A variant's name, or a label such as `plain-third-rate` for an arm of a comparison. */
  variant: string;
  data: { train: string; eval: Record<string, string> };
  retain: {
    base: string;
    probes: Record<string, { file: string; budget?: Budget }>;
    auto?: AutoProbe;
    prompts: string[];
    answers?: AnswerSettings;
  };
  train: Omit<Recipe['train'], 'micro_batch_size'> & { micro_batch_size: number };
}
