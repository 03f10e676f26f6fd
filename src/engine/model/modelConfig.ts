/**
 * config.json of a Hugging Face folder, read into what the decoder needs. What this engine cannot compute exactly is
 * refused by name: a model that runs with a wrong formula would be worse than none.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { familyOf, whyNotEmbedded } from '../../domain/embeddedModels.ts';
import { EngineError } from '../engineError.ts';
import type { Rope, RopeScaling } from './ropeScaling.ts';

export interface ModelConfig {
  vocabularySize: number;
  width: number;
  layers: number;
  heads: number;
  keyValueHeads: number;
  headWidth: number;
  feedForwardWidth: number;
  maxPositions: number;
  normEpsilon: number;
  rope: Rope;
  /** Linear maps of a layer that add a bias, by the last part of their names. */
  biased: ReadonlySet<string>;
  /** Queries and keys are normalised in each head before they are turned. */
  headNorms: boolean;
  /** Input embeddings and output head are one tensor. */
  tiedHead: boolean;
  /** Standard deviation of fresh weights. */
  initializerRange: number;
}

/** Far above any model: a forged number must not keep us building layers. */
const count = z
  .number()
  .int()
  .positive()
  .max(2 ** 24);
const layers = count.max(4096);
const rope = z.object({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().min(1).optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  original_max_position_embeddings: count.optional(),
  partial_rotary_factor: z.number().optional(),
});
const schema = z.object({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().optional(),
  vocab_size: count,
  hidden_size: count,
  num_hidden_layers: layers,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  intermediate_size: count,
  max_position_embeddings: count,
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().optional(),
  rope_scaling: rope.nullish(),
  rope_parameters: rope.nullish(),
  hidden_act: z.string().default('silu'),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  sliding_window: z.number().nullish(),
  use_sliding_window: z.boolean().nullish(),
  layer_types: z.array(z.string()).nullish(),
  tie_word_embeddings: z.boolean().default(false),
  initializer_range: z.number().nonnegative().default(0.02),
  quantization_config: z.unknown().optional(),
});

const exportAgain = 'Download or export the model folder again.';

export async function readModelConfig(folder: string): Promise<{ config: ModelConfig; raw: Record<string, unknown> }> {
  const file = join(folder, 'config.json');
  const text = await readFile(file, 'utf8').catch(cause => {
    throw new EngineError('model-not-found', `There is no model in ${folder}: config.json cannot be read`, {
      file,
      remedy: 'Give `model` a folder in Hugging Face layout, or holdfast-tiny.',
      cause,
    });
  });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new EngineError('model-config', `${file} is not JSON`, { file, remedy: exportAgain, cause });
  }
  return { config: parseModelConfig(raw, file), raw: raw as Record<string, unknown> };
}

export function parseModelConfig(raw: unknown, file?: string): ModelConfig {
  const parsed = schema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const where = issue.path.join('.') || 'the whole file';
    throw new EngineError('model-config', `config.json: ${where}: ${issue.message}`, { file, remedy: exportAgain });
  }
  const c = parsed.data;
  refuseUnsupported(c, file);
  const keyValueHeads = c.num_key_value_heads ?? c.num_attention_heads;
  const headWidth = c.head_dim ?? c.hidden_size / c.num_attention_heads;
  if (!Number.isInteger(headWidth) || headWidth % 2 !== 0 || c.num_attention_heads % keyValueHeads !== 0) {
    const heads = `${c.num_attention_heads} heads, ${keyValueHeads} key-value heads, width ${c.hidden_size}`;
    throw new EngineError('model-config', `config.json: ${heads} do not divide evenly`, { file, remedy: exportAgain });
  }
  return {
    vocabularySize: c.vocab_size,
    width: c.hidden_size,
    layers: c.num_hidden_layers,
    heads: c.num_attention_heads,
    keyValueHeads,
    headWidth,
    feedForwardWidth: c.intermediate_size,
    maxPositions: c.max_position_embeddings,
    normEpsilon: c.rms_norm_eps,
    rope: {
      theta: c.rope_theta ?? c.rope_parameters?.rope_theta ?? 10_000,
      scaling: ropeScaling(c.rope_scaling ?? c.rope_parameters, file),
    },
    biased: new Set(biasedMaps(c)),
    headNorms: familyOf(c) === 'qwen3',
    tiedHead: c.tie_word_embeddings,
    initializerRange: c.initializer_range,
  };
}

function ropeScaling(c: z.infer<typeof rope> | null | undefined, file: string | undefined): RopeScaling | undefined {
  const type = c?.rope_type ?? c?.type;
  if (!c || (type !== 'linear' && type !== 'llama3')) return undefined;
  const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = c;
  if (factor && type === 'linear') return { type, factor };
  if (factor && low_freq_factor && high_freq_factor && original_max_position_embeddings && type === 'llama3') {
    return {
      type,
      factor,
      lowFrequencyFactor: low_freq_factor,
      highFrequencyFactor: high_freq_factor,
      originalPositions: original_max_position_embeddings,
    };
  }
  throw new EngineError('model-config', `config.json: RoPE scaling "${type}" lacks one of its numbers`, {
    file,
    remedy:
      type === 'linear'
        ? 'It needs factor.'
        : 'It needs factor, low_freq_factor, high_freq_factor and original_max_position_embeddings.',
  });
}

const attentionMaps = ['q_proj', 'k_proj', 'v_proj'];

function biasedMaps(c: z.infer<typeof schema>): string[] {
  const attention = c.attention_bias ? [...attentionMaps, 'o_proj'] : familyOf(c) === 'qwen2' ? attentionMaps : [];
  return c.mlp_bias ? [...attention, 'gate_proj', 'up_proj', 'down_proj'] : attention;
}

function refuseUnsupported(c: z.infer<typeof schema>, file: string | undefined): void {
  const why = whyNotEmbedded(c);
  if (why === null) return;
  throw new EngineError('model-unsupported', `config.json: ${why}`, {
    file,
    remedy:
      'The embedded engine takes Llama, SmolLM2, Mistral, Qwen2 and Qwen3, with plain, linear or llama3 RoPE. For others: engine: torch.',
  });
}
