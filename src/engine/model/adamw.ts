/**
 * AdamW with decoupled decay behind global-norm clipping, as graph nodes. Scalars that depend on the step are inputs,
 * made here on the host in f64.
 */
import type { ResolvedRecipe } from '../../recipe/schema.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import { adamw } from '../graph/operators/adamw.ts';
import { add, div, minimum, sqrt } from '../graph/operators/elementwise.ts';
import { sumSquares } from '../graph/operators/reduce.ts';
import type { ScalarValues } from '../runtime/runtime.ts';
import { isBias, isNorm } from './parameters.ts';

export type AdamSettings = Pick<
  ResolvedRecipe['train'],
  'weight_decay' | 'adam_beta1' | 'adam_beta2' | 'adam_epsilon' | 'max_grad_norm'
>;

export interface Trained {
  name: string;
  weight: Tensor;
  gradient: Tensor;
}

export const firstMoment = (name: string): string => `adam.first/${name}`;
export const secondMoment = (name: string): string => `adam.second/${name}`;

/** Keeps 0/0 out of the clipping of a zero gradient; the value is torch's. */
const normEpsilon = 1e-6;

/** Adds clipping and the update of every trained tensor to the graph; returns the norm before clipping. */
export function addAdamW(graph: Graph, trained: readonly Trained[], settings: AdamSettings): Tensor {
  const stepSize = graph.input('stepSize', 'scalar', []);
  const epsilon = graph.input('epsilon', 'scalar', []);
  const keep = graph.input('keep', 'scalar', []);

  const norm = globalNorm(trained.map(({ gradient }) => gradient));
  const clip = minimum(
    graph.scalar(1),
    div(graph.scalar(settings.max_grad_norm), add(norm, graph.scalar(normEpsilon))),
  );
  for (const { name, weight, gradient } of trained) {
    const next = adamw(
      {
        weight,
        gradient,
        first: graph.input(firstMoment(name), 'state', weight.shape),
        second: graph.input(secondMoment(name), 'state', weight.shape),
        clip,
        stepSize,
        epsilon,
        keep: settings.weight_decay > 0 && !isNorm(name) && !isBias(name) ? keep : graph.scalar(1),
      },
      { beta1: settings.adam_beta1, beta2: settings.adam_beta2 },
    );
    graph.update(name, next.weight);
    graph.update(firstMoment(name), next.first);
    graph.update(secondMoment(name), next.second);
  }
  return norm;
}

export function globalNorm(gradients: readonly Tensor[]): Tensor {
  return sqrt(gradients.map(sumSquares).reduce(add));
}

/**
 * The scalars of optimizer step `step`, counted from 1. The bias corrections are folded into step size and epsilon:
 * m̂/(√v̂ + ε) = (√c₂/c₁) · m/(√v + ε√c₂) with c = 1 − βᵗ.
 */
export function adamScalars(step: number, learningRate: number, settings: AdamSettings): ScalarValues {
  const first = 1 - settings.adam_beta1 ** step;
  const second = Math.sqrt(1 - settings.adam_beta2 ** step);
  return {
    stepSize: (learningRate * second) / first,
    epsilon: settings.adam_epsilon * second,
    keep: 1 - learningRate * settings.weight_decay,
  };
}
