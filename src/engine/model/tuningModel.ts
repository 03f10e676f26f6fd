/**
 * What the training loop, the evaluation and the step-0 checks need of a model that is being tuned. Knows nothing of
 * files of text, of recipes' paths or of wires.
 */
import type { ResolvedRecipe } from '../../recipe/schema.ts';
import type { Batch } from '../batch.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { StateStore } from '../state/stateStore.ts';
import type { Decoding } from './decoding.ts';

export type WeightsName = 'tuned' | 'base';

/** Means over the whole optimizer step (all micro-batches), in nats per token. */
export interface StepMetrics {
  /** Cross-entropy over task tokens. */
  loss: number;
  /** Cross-entropy over replay tokens; absent without replay rows. */
  replayLoss?: number;
  /** What was minimised. */
  objective: number;
  /** Each method's own terms by name, without their weight: `penalty.kl` in nats per regularized token. */
  penalties: Record<string, number>;
  /** Global norm before clipping. */
  gradientNorm: number;
}

export interface TuningModel {
  readonly parameters: number;
  readonly trainedParameters: number;
  readonly trainedNames: string[];
  readonly vocabularySize: number;
  readonly maxPositions: number;
  readonly runtime: { name: string; provider: string; reason: string };
  /** Where the regularizer's base comes from, and why; absent without a regularizer. */
  readonly teacher?: { teacher: 'copy' | 'swap'; reason: string };
  /** Weights, optimizer slots, accumulators, method tensors, counters: a checkpoint is its dump, resume its load. */
  readonly state: StateStore;
  /** Accumulates the micro-batches, clips, updates. Losses are divided by the step's own token counts. */
  step(microBatches: Batch[], rates: { learningRate: number }): Promise<StepMetrics>;
  /** (B, T) −log p(label) of each position, 0 where ignored. `base` = every change switched off, the same code path. */
  score(batch: Batch, weights: WeightsName): Promise<Float32Array>;
  /** (B, T) KL(base ‖ tuned) at T = 1 of each labelled position, 0 elsewhere. */
  divergence(batch: Batch): Promise<Float32Array>;
  /** (B, T, V) logits, for independent checks. */
  logits(batch: Batch, weights: WeightsName): Promise<Float32Array>;
  /** Texts written token by token, at most `length` columns a row. Whoever opens it closes it before the model changes. */
  decoding(shape: { rows: number; length: number }, weights: WeightsName): Decoding;
  /** The objective's terms and the global gradient norm on these rows without an update; for the step-0 checks. */
  probe(microBatches: Batch[]): Promise<StepMetrics & { penaltyGradientNorm: number }>;
  /** A tuned tensor's current values by its Hugging Face name, for the precision check. */
  read(name: string): Promise<Float32Array>;
  /** Writes a Hugging Face folder or a PEFT adapter folder, atomically; returns what it wrote. */
  save(folder: string, info: Record<string, unknown>): Promise<{ bytes: number }>;
  /** From here on `tuned` means the weights after rounding to the dtype they are saved in. */
  useSavedPrecision(): Promise<void>;
  close(): Promise<void>;
}

export interface OpenTuningModel {
  /** Absolute path of the base model's Hugging Face folder. */
  folder: string;
  recipe: ResolvedRecipe;
  /** score: nothing will be trained, so neither optimizer slots nor separate base values are held. Default: tune. */
  purpose?: 'tune' | 'score';
  threads?: number;
  /** Opened already, and closed with the model. Default: the recipe's. */
  runtime?: Runtime;
  /** Where compiled programs are kept. Default: nowhere. */
  compiledFolder?: string;
  onProgress?: (phase: string, fraction: number) => void;
}

/** A model from random weights, for pretraining: the same step, no base to compare with. */
export interface OpenFreshModel {
  /** As in config.json of a Hugging Face folder (LlamaForCausalLM). */
  config: Record<string, unknown>;
  seed: number;
  train: Pick<ResolvedRecipe['train'], 'weight_decay' | 'adam_beta1' | 'adam_beta2' | 'adam_epsilon' | 'max_grad_norm'>;
  /** Folder whose tokenizer files are copied beside the weights by `save`. */
  tokenizerFolder?: string;
  /** How `save` stores the weights. Default f32. */
  dtype?: 'f32' | 'f16' | 'bf16';
  threads?: number;
}
