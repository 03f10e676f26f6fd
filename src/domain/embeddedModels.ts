/** Which models the embedded engine computes exactly, told from config.json. Knows nothing of files. */

/** The keys that decide it, as Hugging Face spells them. */
export interface ModelTraits {
  architectures?: string[] | null;
  model_type?: string;
  hidden_act?: string;
  rope_scaling?: RopeTraits | null;
  rope_parameters?: RopeTraits | null;
  attention_bias?: boolean | null;
  mlp_bias?: boolean | null;
  sliding_window?: number | null;
  use_sliding_window?: boolean | null;
  /** Kind of attention, layer by layer. */
  layer_types?: string[] | null;
  quantization_config?: unknown;
}

interface RopeTraits {
  rope_type?: string;
  type?: string;
  partial_rotary_factor?: number;
}

/** Model types by architecture. */
const families: Record<string, string> = {
  LlamaForCausalLM: 'llama',
  MistralForCausalLM: 'mistral',
  Qwen2ForCausalLM: 'qwen2',
  Qwen3ForCausalLM: 'qwen3',
};
const ropeTypes = ['default', 'linear', 'llama3'];

/** The model type of a model that the embedded engine computes. */
export const familyOf = ({ architectures, model_type }: ModelTraits): string =>
  families[architectures?.[0] ?? ''] ?? model_type ?? 'llama';

/** What in a model the embedded engine has no formula for, in words; `null` when there is nothing. */
export function whyNotEmbedded(config: ModelTraits): string | null {
  const named = config.architectures?.[0];
  if (named && !Object.hasOwn(families, named)) return `the architecture ${named} is not supported`;
  if (!Object.values(families).includes(familyOf(config)))
    return `the model type ${config.model_type} is not supported`;
  for (const scaling of [config.rope_scaling, config.rope_parameters]) {
    const type = scaling?.rope_type ?? scaling?.type;
    if (type && !ropeTypes.includes(type)) return `RoPE scaling "${type}" is not supported`;
    if ((scaling?.partial_rotary_factor ?? 1) !== 1) return 'RoPE on a part of each head is not supported';
  }
  const activation = config.hidden_act ?? 'silu';
  if (activation !== 'silu' && activation !== 'swish') return `the activation ${activation} is not supported`;
  const slides = typeof config.sliding_window === 'number' && config.use_sliding_window !== false;
  if (slides || config.layer_types?.some(type => type !== 'full_attention')) {
    return 'sliding-window attention is not supported';
  }
  return config.quantization_config ? 'quantized weights cannot be tuned' : null;
}
