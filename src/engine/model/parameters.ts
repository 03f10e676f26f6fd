/**
 * What model code asks for its weights and linear maps, so that adapters and base weights need no change in the model.
 * Names are those of Hugging Face. Knows the shapes a configuration asks for.
 */
import { EngineError } from '../engineError.ts';
import type { Graph, Shape, Tensor } from '../graph/graph.ts';
import { matmul } from '../graph/operators/matmul.ts';
import type { ModelConfig } from './modelConfig.ts';

export interface Parameters {
  weight(name: string): Tensor;
  /** x (N, in) → (N, out) through the map `module` (its weight is `module`.weight, (out, in)), without its bias. */
  linear(module: string, x: Tensor): Tensor;
}

export const embeddingName = 'model.embed_tokens.weight';
export const headName = (config: ModelConfig): string => (config.tiedHead ? embeddingName : 'lm_head.weight');

/** Every tensor of the model in the order of its layers. */
export function parameterShapes(config: ModelConfig): Map<string, Shape> {
  const { width, heads, keyValueHeads, headWidth, feedForwardWidth, vocabularySize } = config;
  const shapes = new Map<string, Shape>([[embeddingName, [vocabularySize, width]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    const norm = (name: string, width: number) => shapes.set(`${prefix}.${name}.weight`, [width]);
    const linear = (name: string, outWidth: number, inWidth: number) => {
      shapes.set(`${prefix}.${name}.weight`, [outWidth, inWidth]);
      if (hasBias(config, name)) shapes.set(`${prefix}.${name}.bias`, [outWidth]);
    };
    norm('input_layernorm', width);
    linear('self_attn.q_proj', heads * headWidth, width);
    linear('self_attn.k_proj', keyValueHeads * headWidth, width);
    linear('self_attn.v_proj', keyValueHeads * headWidth, width);
    linear('self_attn.o_proj', width, heads * headWidth);
    if (config.headNorms) for (const name of ['q_norm', 'k_norm']) norm(`self_attn.${name}`, headWidth);
    norm('post_attention_layernorm', width);
    linear('mlp.gate_proj', feedForwardWidth, width);
    linear('mlp.up_proj', feedForwardWidth, width);
    linear('mlp.down_proj', width, feedForwardWidth);
  }
  shapes.set('model.norm.weight', [width]);
  if (!config.tiedHead) shapes.set('lm_head.weight', [vocabularySize, width]);
  return shapes;
}

export const hasBias = (config: ModelConfig, module: string): boolean =>
  config.biased.has(module.slice(module.lastIndexOf('.') + 1));

export const isNorm = (name: string): boolean => name.endsWith('norm.weight');
export const isBias = (name: string): boolean => name.endsWith('.bias');

/** Weights as state inputs of one graph; a tensor that is asked for twice is one input. */
export class StateInputs {
  readonly #graph: Graph;
  readonly #shapes: (name: string) => Shape;
  readonly #known = new Map<string, Tensor>();

  constructor(graph: Graph, shapes: (name: string) => Shape) {
    this.#graph = graph;
    this.#shapes = shapes;
  }

  get(name: string): Tensor {
    const known = this.#known.get(name);
    if (known) return known;
    const tensor = this.#graph.input(name, 'state', this.#shapes(name));
    this.#known.set(name, tensor);
    return tensor;
  }
}

/** Parameters that are plain state tensors; `stateName` says under which name each is kept. */
export class StateParameters implements Parameters {
  readonly #inputs: StateInputs;
  readonly #stateName: (name: string) => string;

  constructor(inputs: StateInputs, stateName: (name: string) => string = name => name) {
    this.#inputs = inputs;
    this.#stateName = stateName;
  }

  weight(name: string): Tensor {
    return this.#inputs.get(this.#stateName(name));
  }

  linear(module: string, x: Tensor): Tensor {
    return matmul(x, this.weight(`${module}.weight`), { transposeB: true });
  }
}

export function shapeOf(shapes: ReadonlyMap<string, Shape>, name: string): Shape {
  const shape = shapes.get(name);
  if (!shape) throw new EngineError('model', `The model has no tensor ${name}`);
  return shape;
}
