/**
 * The graphs of tuning and scoring, built from the decoder, the methods and the optimizer. Graphs only: nothing is run
 * here.
 *
 * B rows, T length, N = B·T tokens
 */
import { differentiate } from '../graph/differentiate.ts';
import { Graph, type Shape, type Tensor } from '../graph/graph.ts';
import { add, mul } from '../graph/operators/elementwise.ts';
import { lossHead } from '../graph/operators/lossHead.ts';
import { matmul } from '../graph/operators/matmul.ts';
import { gatherRows } from '../graph/operators/rows.ts';
import { reshape } from '../graph/operators/shape.ts';
import { LoraParameters } from '../methods/lora.ts';
import type { RegularizeSettings } from '../methods/regularize.ts';
import { type AdamSettings, addAdamW, globalNorm, type Trained } from './adamw.ts';
import { beginningInputs, nextInputs } from './continued.ts';
import { type BatchShape, decoder, decoderInputs } from './decoder.ts';
import type { ModelConfig } from './modelConfig.ts';
import { headName, type Parameters, StateInputs, StateParameters } from './parameters.ts';
import type { TuningPlan } from './tuningPlan.ts';

export const accumulator = (name: string): string => `gradient/${name}`;
/** Under which state name the base's value of a tensor is kept, where it is not shared. */
export const baseName = (name: string): string => `base/${name}`;
export const mergedName = (name: string): string => `merged/${name}`;

export interface ProgramSettings {
  config: ModelConfig;
  plan: TuningPlan;
  /** Shapes of all state tensors, by state name. */
  shapeOf: (stateName: string) => Shape;
  /** Tensors whose tuned value is an adapter merged into the base's; the adapter itself is then off. */
  isMerged: (name: string) => boolean;
  /** Tensors that the base holds on its own: what trains, or everything with a full copy. */
  separateBase: ReadonlySet<string>;
  adam: AdamSettings;
  regularize?: RegularizeSettings;
  /** Activations are made again on the way back instead of being kept. */
  recomputes?: boolean;
}

export type Weights = 'tuned' | 'base';
export type Term = 'objective' | 'penalty';

export class Programs {
  readonly #settings: ProgramSettings;

  constructor(settings: ProgramSettings) {
    this.#settings = settings;
  }

  /** Gradient and update in one. */
  step(shape: BatchShape): Graph {
    const { graph, trained } = this.#differentiated(shape, 'objective');
    graph.output('gradientNorm', addAdamW(graph, trained, this.#settings.adam));
    return graph;
  }

  /** Adds one micro-batch's gradients to the accumulators; `carry` 0 starts them anew. */
  gradient(shape: BatchShape, term: Term): Graph {
    const { graph, trained } = this.#differentiated(shape, term);
    const carry = graph.input('carry', 'scalar', []);
    for (const { name, weight, gradient } of trained) {
      const before = graph.input(accumulator(name), 'state', weight.shape);
      graph.update(accumulator(name), add(mul(before, carry), gradient));
    }
    return graph;
  }

  /** From the accumulators to new weights. */
  update(): Graph {
    const graph = new Graph();
    const inputs = new StateInputs(graph, this.#settings.shapeOf);
    const trained = this.#settings.plan.trained.map(name => ({
      name,
      weight: inputs.get(name),
      gradient: inputs.get(accumulator(name)),
    }));
    graph.output('gradientNorm', addAdamW(graph, trained, this.#settings.adam));
    return graph;
  }

  /** The accumulators' global norm. */
  norm(): Graph {
    const graph = new Graph();
    const inputs = new StateInputs(graph, this.#settings.shapeOf);
    graph.output('gradientNorm', globalNorm(this.#settings.plan.trained.map(name => inputs.get(accumulator(name)))));
    return graph;
  }

  /** (N) cross-entropy of each label. */
  score(shape: BatchShape, weights: Weights): Graph {
    const pass = this.#pass(shape);
    const losses = lossHead({ ...pass.model(weights), ...pass.targets() });
    pass.graph.output('crossEntropy', losses.crossEntropy);
    return pass.graph;
  }

  /** (N) KL(base ‖ tuned). */
  divergence(shape: BatchShape): Graph {
    const pass = this.#pass(shape);
    const { graph } = pass;
    const base = pass.model('base');
    const { divergence } = lossHead({
      ...pass.model('tuned'),
      ...pass.targets(),
      teacher: {
        ...base,
        ratio: graph.input('ratios', 'batch', [shape.rows * shape.length]),
        direction: 'forward',
        temperature: 1,
      },
    });
    graph.output('divergence', divergence!);
    return graph;
  }

  /** (B, T, V) */
  logits(shape: BatchShape, weights: Weights): Graph {
    const { graph, model } = this.#pass(shape);
    const { hidden, head } = model(weights);
    const logits = matmul(hidden, head, { transposeB: true });
    graph.output('logits', reshape(logits, [shape.rows, shape.length, head.shape[0]!]));
    return graph;
  }

  /** (B, V) logits behind the cell `last` of each row; keys and values of all columns become state. */
  begin(shape: BatchShape, weights: Weights): Graph {
    return this.#continued(beginningInputs, shape, weights);
  }

  /** (B, V) logits behind one more token a row, with the keys and values of those before it. */
  next(shape: BatchShape, weights: Weights): Graph {
    return this.#continued(nextInputs, shape, weights);
  }

  #continued(inputsOf: typeof nextInputs, shape: BatchShape, weights: Weights): Graph {
    const { config } = this.#settings;
    const graph = new Graph();
    const parameters = this.#parameters(new StateInputs(graph, this.#settings.shapeOf), weights);
    const batch = inputsOf(graph, config, shape);
    const hidden_ND = decoder(config, parameters, batch);
    const isOneEach = batch.length === 1;
    const last_BD = isOneEach ? hidden_ND : gatherRows(hidden_ND, graph.input('last', 'batch', [shape.rows], 'i32'));
    graph.output('logits', matmul(last_BD, parameters.weight(headName(config)), { transposeB: true }));
    return graph;
  }

  #differentiated(shape: BatchShape, term: Term): { graph: Graph; trained: Trained[] } {
    const { plan, regularize, recomputes } = this.#settings;
    const pass = this.#pass(shape);
    const { graph, inputs } = pass;
    const teacher = regularize && {
      ...pass.model('base'),
      ratio: graph.input('ratios', 'batch', [shape.rows * shape.length]),
      direction: regularize.direction,
      temperature: regularize.temperature,
    };
    const tuned = pass.model('tuned', { recomputes });
    const losses = lossHead({ ...tuned, ...pass.targets(), teacher, crossEntropy: term === 'objective' });
    graph.output('crossEntropy', losses.crossEntropy);
    if (losses.divergence) graph.output('divergence', losses.divergence);

    const weights = plan.trained.map(name => inputs.get(name));
    const gradients = differentiate(losses.objective, weights);
    const trained = plan.trained.map((name, i) => ({
      name,
      weight: weights[i]!,
      gradient: gradients[i] ?? mul(weights[i]!, graph.scalar(0)),
    }));
    return { graph, trained };
  }

  /** A graph over one batch, with what its passes share. */
  #pass(shape: BatchShape) {
    const { config } = this.#settings;
    const graph = new Graph();
    const inputs = new StateInputs(graph, this.#settings.shapeOf);
    const batch = decoderInputs(graph, config, shape);
    const tokens = shape.rows * shape.length;
    const model = (weights: Weights, { recomputes = false } = {}): { hidden: Tensor; head: Tensor } => {
      const parameters = this.#parameters(inputs, weights);
      return {
        hidden: decoder(config, parameters, { ...batch, recomputes }),
        head: parameters.weight(headName(config)),
      };
    };
    const targets = () => ({
      labels: graph.input('labels', 'batch', [tokens], 'i32'),
      weights: graph.input('weights', 'batch', [tokens]),
    });
    return { graph, inputs, model, targets };
  }

  #parameters(inputs: StateInputs, weights: Weights): Parameters {
    const { plan, separateBase, isMerged } = this.#settings;
    if (weights === 'base') {
      return new StateParameters(inputs, name => (separateBase.has(name) ? baseName(name) : name));
    }
    const plain = new StateParameters(inputs, name => (isMerged(name) ? mergedName(name) : name));
    const isOn = plan.adapter && !plan.adapter.modules.some(module => isMerged(`${module}.weight`));
    return plan.adapter && isOn ? new LoraParameters(plain, inputs, plan.adapter) : plain;
  }
}

export function programKey(kind: string, shape?: BatchShape): string {
  return shape ? `${kind}/${shape.rows}x${shape.length}` : kind;
}
