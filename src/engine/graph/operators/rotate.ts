/** Rotary position embedding. */
import { EngineError } from '../../engineError.ts';
import { type Operator, size, type Tensor } from '../graph.ts';
import { expectType } from './broadcast.ts';

const rotateOperator: Operator = {
  name: 'rotate',
  type: ([x, positions, cos, sin]) => {
    expectType('rotate', x, 'f32', 3);
    expectType('rotate', positions, 'i32', 2);
    expectType('rotate', cos, 'f32', 2);
    expectType('rotate', sin, 'f32', 2);
    const headWidth = 2 * cos!.shape[1]!;
    if (x!.shape[2]! % headWidth !== 0 || x!.shape[0] !== positions!.shape[0] || x!.shape[1] !== positions!.shape[1]) {
      throw new EngineError('graph', `rotate: [${x!.shape}] does not fit positions [${positions!.shape}]`);
    }
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  // A rotation's transpose is the rotation back.
  gradient: ({ inputs: [, positions, cos, sin], attributes, gradients: [dy] }) => [
    rotate(dy!, positions!, cos!, sin!, !attributes.backwards),
    undefined,
    undefined,
    undefined,
  ],
  flops: ([x]) => 3 * size(x!.shape),
};

/**
 * x (B, T, heads · w) with positions (B, T) and tables cos, sin (positions, w/2): in every head, the pair of elements
 * (i, i + w/2) is turned by the angle of its position; `backwards` turns by the opposite angle.
 */
export function rotate(x: Tensor, positions: Tensor, cos: Tensor, sin: Tensor, backwards = false): Tensor {
  return x.graph.apply(rotateOperator, [x, positions, cos, sin], { backwards })[0]!;
}
