/** The order of nodes where their inputs leave it open. */

import type { Operator, Tensor } from '../graph.ts';
import { expectType } from './broadcast.ts';

const afterOperator: Operator = {
  name: 'after',
  type: ([x]) => {
    expectType('after', x, 'f32');
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  gradient: ({ inputs, gradients: [dy] }) => inputs.map((_, i) => (i === 0 ? dy : undefined)),
  flops: () => 0,
};
/** The value of x, there only when `others` are, and for every runtime another tensor than x. */
export const after = (x: Tensor, others: readonly Tensor[]): Tensor =>
  others.length === 0 ? x : x.graph.apply(afterOperator, [x, ...others])[0]!;
