/**
 * One update of AdamW (Loshchilov & Hutter 2019) in one operator, so that a runtime can go through a large tensor block
 * by block while its parts stay in the cache. Element by element; nothing flows back through it.
 */
import { EngineError } from '../../engineError.ts';
import { type Operator, size, type Tensor } from '../graph.ts';
import { expectType } from './broadcast.ts';

export interface AdamwInputs {
  weight: Tensor;
  gradient: Tensor;
  first: Tensor;
  second: Tensor;
  /** Scalars: the gradient is multiplied by `clip`, the weight by `keep` (decoupled decay). */
  clip: Tensor;
  stepSize: Tensor;
  epsilon: Tensor;
  keep: Tensor;
}

const adamwOperator: Operator = {
  name: 'adamw',
  type: inputs => {
    for (const input of inputs) expectType('adamw', input, 'f32');
    const [weight, ...slots] = inputs.slice(0, 4);
    for (const slot of slots) {
      if (slot!.shape.join() !== weight!.shape.join()) {
        throw new EngineError('graph', `adamw: [${slot!.shape}] does not fit the weight [${weight!.shape}]`);
      }
    }
    return [weight!, weight!, weight!].map(({ shape }) => ({ shape, dtype: 'f32' }));
  },
  flops: ([weight]) => 13 * size(weight!.shape),
};

/**
 * m' = β₁m + (1 − β₁)·clip·g, v' = β₂v + (1 − β₂)·(clip·g)², w' = keep·w − stepSize · m'/(√v' + epsilon).
 * Bias corrections are folded into stepSize and epsilon.
 */
export function adamw(inputs: AdamwInputs, { beta1, beta2 }: { beta1: number; beta2: number }) {
  const { weight, gradient, first, second, clip, stepSize, epsilon, keep } = inputs;
  const ordered = [weight, gradient, first, second, clip, stepSize, epsilon, keep];
  const [nextWeight, nextFirst, nextSecond] = weight.graph.apply(adamwOperator, ordered, { beta1, beta2 });
  return { weight: nextWeight!, first: nextFirst!, second: nextSecond! };
}
