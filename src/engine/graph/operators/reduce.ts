/** Sums over axes. */
import { type Operator, type Shape, size, type Tensor } from '../graph.ts';
import { expectType, normalAxis } from './broadcast.ts';
import { mul, scale } from './elementwise.ts';
import { broadcastTo, reshape } from './shape.ts';

const sumOperator: Operator = {
  name: 'sum',
  type: ([x], { axes }) => {
    expectType('sum', x, 'f32');
    const reduced = new Set(axes as number[]);
    return [{ shape: x!.shape.map((extent, i) => (reduced.has(i) ? 1 : extent)), dtype: 'f32' }];
  },
  gradient: ({ inputs: [x], gradients: [dy] }) => [broadcastTo(dy!, x!.shape)],
  flops: ([x]) => size(x!.shape),
};

/** Sum over axes, which stay with extent 1. */
export function sum(x: Tensor, axes: readonly number[]): Tensor {
  const normal = axes.map(axis => normalAxis('sum', axis, x.shape.length)).sort((a, b) => a - b);
  return x.graph.apply(sumOperator, [x], { axes: normal })[0]!;
}

/** Sum over everything, a scalar. */
export function sumAll(x: Tensor): Tensor {
  if (x.shape.length === 0) return x;
  return reshape(sum(x, [...x.shape.keys()]), []);
}

const sumSquaresOperator: Operator = {
  name: 'sumSquares',
  type: ([x]) => {
    expectType('sumSquares', x, 'f32');
    return [{ shape: [], dtype: 'f32' }];
  },
  gradient: ({ inputs: [x], gradients: [dy] }) => [mul(scale(x!, 2), dy!)],
  flops: ([x]) => 2 * size(x!.shape),
};
/** Σ x², a scalar. */
export const sumSquares = (x: Tensor): Tensor => x.graph.apply(sumSquaresOperator, [x])[0]!;

/** Undoes broadcasting: sums x down to `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (x.shape.join() === shape.join() && x.shape.length === shape.length) return x;
  const lead = x.shape.length - shape.length;
  const axes = [...x.shape.keys()].filter(i => i < lead || (shape[i - lead] === 1 && x.shape[i] !== 1));
  return reshape(axes.length > 0 ? sum(x, axes) : x, shape);
}
