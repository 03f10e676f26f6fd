/**
 * What a trainer is told on stdin and what it says on stdout, one JSON object a line. The trainer speaks first (`hello`).
 * It knows no VS Code and no run store. The transcripts in test/protocol/transcripts are the authority for every language.
 */
import * as z from 'zod';
import type { ResolvedRecipe } from '../recipe/schema.ts';

export const protocolVersion = 1;

/** A number that was not finite travels as null; its name stands in `nonFinite`. */
const metric = z.number().nullable();
const metrics = z.record(z.string(), metric);
const nonFinite = z.record(z.string(), z.enum(['nan', 'inf', '-inf'])).optional();

const interval = { value: z.number(), low: z.number(), high: z.number() };

/** An estimate over items with its 95 % interval. `method` names how the interval was made. */
const estimateSchema = z.object({
  ...interval,
  unit: z.string(),
  items: z.number().int(),
  method: z.string().optional(),
});
export type Estimate = z.infer<typeof estimateSchema>;

const accuracySchema = z.object({
  base: z.number(),
  tuned: z.number(),
  /** Points: 100 × (base − tuned), with its own interval. */
  drop: z.number(),
  low: z.number(),
  high: z.number(),
  /** How the interval was made. */
  method: z.string().optional(),
  /** Items that flipped right→wrong and wrong→right. */
  lost: z.number().int(),
  gained: z.number().int(),
});
export type Accuracy = z.infer<typeof accuracySchema>;

export const verdictSchema = z.enum(['kept', 'forgot', 'cannot tell']);
export type Verdict = z.infer<typeof verdictSchema>;

const budgetSchema = z.union([z.object({ nats: z.number() }), z.object({ points: z.number() })]);

/** Forgetting of one probe set: mean over items of (tuned − base) loss. Up = forgot more. */
export const setScoreSchema = estimateSchema.extend({
  kind: z.enum(['text', 'choice', 'pairs']),
  /** The set's distribution is also replayed: it wins by construction. */
  replayed: z.boolean(),
  /** Mean item loss of base and tuned, nats per token. */
  base: z.number(),
  tuned: z.number(),
  accuracy: accuracySchema.optional(),
  budget: budgetSchema.optional(),
  verdict: verdictSchema.optional(),
  /** With `cannot tell`: how many items it would take. */
  itemsNeeded: z.number().int().optional(),
});
export type SetScore = z.infer<typeof setScoreSchema>;

const learningSchema = estimateSchema.extend({ base: z.number(), tuned: z.number() });
export type Learning = z.infer<typeof learningSchema>;

export const stepZeroChecks = ['labels', 'mask', 'precision', 'neutral', 'penalty', 'trainEqualsEval'] as const;
export type StepZeroCheck = (typeof stepZeroChecks)[number];

const laneNames = ['loss', 'kl', 'forgetting', 'learningRate', 'gradientNorm', 'speed', 'other'] as const;

const helloEvent = z.object({
  type: z.literal('hello'),
  protocol: z.number().int(),
  engine: z.string(),
  /** Changes only when results change; resume compares it. */
  numerics: z.string(),
});

export const preparedEvent = z.object({
  type: z.literal('prepared'),
  fingerprints: z.object({
    /** Runs whose `comparison` differs are not compared: base, sets, template, tokenizer, truncation, scorer version. */
    comparison: z.string(),
    cacheKey: z.string(),
    data: z.record(z.string(), z.string()),
    probes: z.record(z.string(), z.string()),
    tokenizer: z.string(),
    model: z.string(),
  }),
  runtime: z.object({ name: z.string(), provider: z.string(), reason: z.string() }),
  parameters: z.number().int(),
  trainedParameters: z.number().int(),
  trainedShare: z.number(),
  /** What trains, in words: "gate_proj, up_proj (8 tensors)". */
  trained: z.string(),
  /** Optimizer steps of the whole run, num_epochs worked out. */
  steps: z.number().int(),
  memoryEstimateBytes: z.number().optional(),
  data: z.object({
    trainRows: z.number().int(),
    replayRows: z.number().int(),
    droppedRows: z.number().int(),
    evalRows: z.record(z.string(), z.number().int()),
  }),
  probes: z.record(
    z.string(),
    z.object({ kind: z.enum(['text', 'choice', 'pairs']), items: z.number().int(), replayed: z.boolean() }),
  ),
  environment: z.record(z.string(), z.string()),
  /** Things the user should know before reading results, in whole sentences. */
  warnings: z.array(z.string()),
});

const checkedEvent = z.object({
  type: z.literal('checked'),
  ok: z.boolean(),
  checks: z.partialRecord(
    z.enum(stepZeroChecks),
    z.object({ status: z.enum(['ok', 'failed', 'skipped']), detail: z.string().optional() }),
  ),
});

const seriesEvent = z.object({
  type: z.literal('series'),
  name: z.string(),
  label: z.string().optional(),
  unit: z.string(),
  lane: z.enum(laneNames),
});

export const progressEvent = z.object({
  type: z.literal('progress'),
  /** loading | tokenizing | base scores | checks | evaluating | final evaluation | saving … */
  phase: z.string(),
  fraction: z.number(),
});

export const stepEvent = z.object({
  type: z.literal('step'),
  step: z.number().int(),
  metrics,
  nonFinite,
});

const evaluatedEvent = z.object({
  type: z.literal('evaluated'),
  step: z.number().int(),
  /** The end: all items, on the weights as saved. */
  final: z.boolean(),
  learning: z.record(z.string(), learningSchema),
  forgetting: z.record(z.string(), setScoreSchema),
  /** KL(base ‖ tuned), nats per target token, by `train` and probe set. */
  kl: metrics,
  /** Per-item results, relative to outputs.items. */
  items: z.string().optional(),
});

const itemResult = z.object({ loss: z.number(), correct: z.boolean().optional() });

/**
 * An evaluation from a trainer that leaves the statistics to its reader: item i of base and tuned is the same item. Read
 * as `evaluated`, which is all that a journal holds.
 */
export const scoredEventSchema = z.object({
  type: z.literal('scored'),
  step: z.number().int(),
  final: z.boolean(),
  /** Of the intervals. */
  seed: z.number().int(),
  sets: z.record(
    z.string(),
    z
      .object({
        kind: z.enum(['text', 'choice', 'pairs', 'learning']),
        replayed: z.boolean().default(false),
        budget: budgetSchema.optional(),
        base: z.array(itemResult).min(1),
        tuned: z.array(itemResult),
      })
      .refine(({ base, tuned }) => base.length === tuned.length, 'base and tuned differ in their number of items'),
  ),
  kl: metrics,
  items: z.string().optional(),
});
export type ScoredEvent = z.infer<typeof scoredEventSchema>;

export const sampleEvent = z.object({
  type: z.literal('sample'),
  step: z.number().int(),
  index: z.number().int(),
  prompt: z.string(),
  base: z.string(),
  tuned: z.string(),
});

const checkpointedEvent = z.object({
  type: z.literal('checkpointed'),
  step: z.number().int(),
  /** Folder name below outputs.checkpoints. */
  folder: z.string(),
  bytes: z.number().int(),
});

/** It stands still until somebody has done something about it; the next event but `alive` says that it goes on. */
const waitingEvent = z.object({ type: z.literal('waiting'), code: z.string(), message: z.string() });

const aliveEvent = z.object({ type: z.literal('alive') });

const stopRuleEvent = z.object({ type: z.literal('stopRule'), step: z.number().int(), rule: z.string() });

/** Answer of a `check` job: the first batch as text with its loss mask. */
const firstBatchEvent = z.object({
  type: z.literal('firstBatch'),
  rows: z.array(
    z.object({
      kind: z.enum(['task', 'replay']),
      pieces: z.array(z.object({ text: z.string(), supervised: z.boolean() })),
    }),
  ),
  supervisedShare: z.number(),
});

const estimateEvent = z.object({
  type: z.literal('estimate'),
  /** What the seconds come from: the graphs and how fast this machine is, or steps that were taken. */
  basis: z.enum(['computed', 'timed']).optional(),
  /** The most that the trainer's process will hold. */
  memoryBytes: z.number(),
  /** What it could take when it was asked. */
  freeBytes: z.number().optional(),
  secondsPerStep: z.number(),
  seconds: z.number(),
});

export const finishedEvent = z.object({
  type: z.literal('finished'),
  reason: z.enum(['completed', 'stopped']),
  step: z.number().int(),
  /** Seconds of training and evaluation, without the start. */
  seconds: z.number(),
  /** Tokens that went through training steps, padding left out. */
  tokens: z.number().int(),
  peakMemoryBytes: z.number(),
  /** The result below outputs.model, when one was written. */
  model: z.string().optional(),
});

const failedEvent = z.object({
  type: z.literal('failed'),
  code: z.string(),
  message: z.string(),
  file: z.string().optional(),
  line: z.number().int().optional(),
  remedy: z.string().optional(),
});

export const trainerEventSchema = z.discriminatedUnion('type', [
  helloEvent,
  preparedEvent,
  checkedEvent,
  seriesEvent,
  progressEvent,
  stepEvent,
  evaluatedEvent,
  sampleEvent,
  checkpointedEvent,
  waitingEvent,
  aliveEvent,
  stopRuleEvent,
  firstBatchEvent,
  estimateEvent,
  finishedEvent,
  failedEvent,
]);

export type TrainerEvent = z.infer<typeof trainerEventSchema>;
export type PreparedEvent = z.infer<typeof preparedEvent>;
export type CheckedEvent = z.infer<typeof checkedEvent>;
export type SeriesEvent = z.infer<typeof seriesEvent>;
export type StepEvent = z.infer<typeof stepEvent>;
export type EvaluatedEvent = z.infer<typeof evaluatedEvent>;
export type SampleEvent = z.infer<typeof sampleEvent>;
export type FirstBatchEvent = z.infer<typeof firstBatchEvent>;
export type EstimateEvent = z.infer<typeof estimateEvent>;
export type FinishedEvent = z.infer<typeof finishedEvent>;
export type FailedEvent = z.infer<typeof failedEvent>;

/** Where a trainer may write: absolute folders, made by the runner. */
export interface Outputs {
  checkpoints: string;
  items: string;
  samples: string;
  model: string;
  /** Shared between runs: base scores and compiled programs. */
  cache: string;
}

export interface StartCommand {
  type: 'start';
  job: 'prepare' | 'train' | 'evaluate' | 'check' | 'generate' | 'merge';
  attempt: number;
  recipe: ResolvedRecipe;
  /** Every path of the recipe as written → absolute path, checked against the allowed roots. */
  paths: Record<string, string>;
  outputs: Outputs;
  /** Folder of the prepared data: `prepare` writes it, trainers that do not read data themselves take it from there. */
  prepared?: string;
  /** Threads of the runtime; default: the machine's cores. */
  threads?: number;
  /** A fork may differ from the run that wrote the checkpoint; with the job `check`: may it go on from there? */
  resume?: { checkpoint: string; fork?: boolean };
}

/** What a trainer obeys on stdin. End of stdin means: save and leave. */
export type TrainerCommand =
  | StartCommand
  | { type: 'stop' }
  | { type: 'checkpoint' }
  /** Everything up to this checkpoint is kept by whoever reads: older ones are no longer needed. */
  | { type: 'recorded'; checkpoint: string }
  | { type: 'pause' }
  | { type: 'resume' };

/** Names of the per-step metrics every trainer reports at least. */
export const stepMetrics = {
  /** Cross-entropy over task tokens in every variant, nats per token: comparable. */
  loss: 'loss',
  /** What was minimised. */
  objective: 'objective',
  replayLoss: 'replayLoss',
  penaltyKl: 'penalty.kl',
  gradientNorm: 'gradientNorm',
  learningRate: 'learningRate',
  tokens: 'tokens',
  taskTokens: 'taskTokens',
  tokensPerSecond: 'tokensPerSecond',
} as const;
