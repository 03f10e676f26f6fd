/**
 * AdamW with decoupled decay (Loshchilov & Hutter 2019) behind global-norm clipping, as graph nodes. Scalars that
 * depend on the step are inputs, made here on the host in f64.
 */
import type { ResolvedRecipe } from '../../recipe/schema.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import { add, div, minimum, mul, scale, sqrt, sub } from '../graph/operators/elementwise.ts';
import { sumAll } from '../graph/operators/reduce.ts';
import type { ScalarValues } from '../runtime/runtime.ts';
import { isNorm } from './parameters.ts';

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
  const { adam_beta1: beta1, adam_beta2: beta2, max_grad_norm: maxNorm } = settings;
  const stepSize = graph.input('stepSize', 'scalar', []);
  const epsilon = graph.input('epsilon', 'scalar', []);
  const keep = graph.input('keep', 'scalar', []);

  const norm = globalNorm(trained.map(({ gradient }) => gradient));
  const clip = minimum(graph.scalar(1), div(graph.scalar(maxNorm), add(norm, graph.scalar(normEpsilon))));
  const firstShare = scale(clip, 1 - beta1);
  const secondShare = scale(mul(clip, clip), 1 - beta2);

  for (const { name, weight, gradient } of trained) {
    const first = graph.input(firstMoment(name), 'state', weight.shape);
    const second = graph.input(secondMoment(name), 'state', weight.shape);
    const nextFirst = add(scale(first, beta1), mul(gradient, firstShare));
    const nextSecond = add(scale(second, beta2), mul(mul(gradient, gradient), secondShare));
    const change = mul(div(nextFirst, add(sqrt(nextSecond), epsilon)), stepSize);
    const decayed = settings.weight_decay > 0 && !isNorm(name) ? mul(weight, keep) : weight;
    graph.update(name, sub(decayed, change));
    graph.update(firstMoment(name), nextFirst);
    graph.update(secondMoment(name), nextSecond);
  }
  return norm;
}

export function globalNorm(gradients: readonly Tensor[]): Tensor {
  return sqrt(gradients.map(gradient => sumAll(mul(gradient, gradient))).reduce(add));
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
