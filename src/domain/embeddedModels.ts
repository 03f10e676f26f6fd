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
  quantization_config?: unknown;
}

interface RopeTraits {
  rope_type?: string;
  type?: string;
}

const architectures = ['LlamaForCausalLM', 'MistralForCausalLM'];
const modelTypes = ['llama', 'mistral'];

/** What in a model the embedded engine has no formula for, in words; `null` when there is nothing. */
export function whyNotEmbedded(config: ModelTraits): string | null {
  const named = config.architectures?.[0];
  if (named && !architectures.includes(named)) return `the architecture ${named} is not supported`;
  if (!named && config.model_type && !modelTypes.includes(config.model_type)) {
    return `the model type ${config.model_type} is not supported`;
  }
  for (const scaling of [config.rope_scaling, config.rope_parameters]) {
    const type = scaling?.rope_type ?? scaling?.type;
    if (type && type !== 'default') return `RoPE scaling "${type}" is not supported`;
  }
  const activation = config.hidden_act ?? 'silu';
  if (activation !== 'silu' && activation !== 'swish') return `the activation ${activation} is not supported`;
  if (config.attention_bias || config.mlp_bias) return 'biases in linear maps are not supported';
  if (typeof config.sliding_window === 'number') return 'sliding-window attention is not supported';
  return config.quantization_config ? 'quantized weights cannot be tuned' : null;
}
