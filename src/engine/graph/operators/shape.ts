/** Operators that move elements and compute nothing. */
import { EngineError } from '../../engineError.ts';
import { type Operator, type Shape, size, type Tensor } from '../graph.ts';
import { broadcastShape, normalAxis } from './broadcast.ts';
import { sumTo } from './reduce.ts';

const none = () => 0;

const reshapeOperator: Operator = {
  name: 'reshape',
  type: ([x], { shape }) => {
    if (size(x!.shape) !== size(shape as Shape)) {
      throw new EngineError('graph', `reshape: [${x!.shape}] does not become [${shape}]`);
    }
    return [{ shape: shape as Shape, dtype: x!.dtype }];
  },
  gradient: ({ inputs: [x], gradients: [dy] }) => [reshape(dy!, x!.shape)],
  flops: none,
};
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (x.shape.length === shape.length && x.shape.every((extent, i) => extent === shape[i])) return x;
  return x.graph.apply(reshapeOperator, [x], { shape })[0]!;
}

const transposeOperator: Operator = {
  name: 'transpose',
  type: ([x], { order }) => {
    const axes = order as readonly number[];
    if ([...axes].sort((a, b) => a - b).join() !== [...x!.shape.keys()].join()) {
      throw new EngineError('graph', `transpose: [${axes}] is no order of the axes of [${x!.shape}]`);
    }
    return [{ shape: axes.map(axis => x!.shape[axis]!), dtype: x!.dtype }];
  },
  gradient: ({ attributes: { order }, gradients: [dy] }) => {
    const axes = order as readonly number[];
    const inverse = axes.map((_, i) => axes.indexOf(i));
    return [transpose(dy!, inverse)];
  },
  flops: none,
};
/** Axis i of the result is axis order[i] of x. */
export const transpose = (x: Tensor, order: readonly number[]): Tensor =>
  x.graph.apply(transposeOperator, [x], { order })[0]!;

const broadcastToOperator: Operator = {
  name: 'broadcastTo',
  type: ([x], { shape }) => {
    const result = broadcastShape('broadcastTo', x!.shape, shape as Shape);
    if (result.join() !== (shape as Shape).join()) {
      throw new EngineError('graph', `broadcastTo: [${x!.shape}] does not spread to [${shape}]`);
    }
    return [{ shape: result, dtype: x!.dtype }];
  },
  gradient: ({ inputs: [x], gradients: [dy] }) => [sumTo(dy!, x!.shape)],
  flops: none,
};
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (x.shape.join() === shape.join() && x.shape.length === shape.length) return x;
  return x.graph.apply(broadcastToOperator, [x], { shape })[0]!;
}

const sliceOperator: Operator = {
  name: 'slice',
  type: ([x], { axis, from, to }) => {
    const extent = x!.shape[axis as number]!;
    if ((from as number) < 0 || (to as number) > extent || (from as number) >= (to as number)) {
      throw new EngineError('graph', `slice: ${from} to ${to} is not within axis ${axis} of [${x!.shape}]`);
    }
    const shape = x!.shape.map((e, i) => (i === axis ? (to as number) - (from as number) : e));
    return [{ shape, dtype: x!.dtype }];
  },
  gradient: ({ inputs: [x], attributes, gradients: [dy] }) => {
    const { axis, from, to } = attributes as { axis: number; from: number; to: number };
    const zeros = (extent: number) => {
      const shape = x!.shape.map((e, i) => (i === axis ? extent : e));
      return broadcastTo(x!.graph.scalar(0), shape);
    };
    const after = x!.shape[axis]! - to;
    return [concat([...(from > 0 ? [zeros(from)] : []), dy!, ...(after > 0 ? [zeros(after)] : [])], axis)];
  },
  flops: none,
};
/** The elements from ≤ i < to of one axis. */
export function slice(x: Tensor, axis: number, from: number, to: number): Tensor {
  const normal = normalAxis('slice', axis, x.shape.length);
  return x.graph.apply(sliceOperator, [x], { axis: normal, from, to })[0]!;
}

const concatOperator: Operator = {
  name: 'concat',
  type: (inputs, { axis }) => {
    const first = inputs[0]!;
    const rest = (shape: Shape) => shape.filter((_, i) => i !== axis).join();
    const misfit = inputs.find(x => rest(x.shape) !== rest(first.shape) || x.dtype !== first.dtype);
    if (misfit) throw new EngineError('graph', `concat: [${first.shape}] and [${misfit.shape}] do not fit`);
    const extent = inputs.reduce((sum, x) => sum + x.shape[axis as number]!, 0);
    return [{ shape: first.shape.map((e, i) => (i === axis ? extent : e)), dtype: first.dtype }];
  },
  gradient: ({ inputs, attributes, gradients: [dy], wants }) => {
    const axis = attributes.axis as number;
    let from = 0;
    return inputs.map((x, i) => {
      const start = from;
      from += x.shape[axis]!;
      return wants[i] ? slice(dy!, axis, start, from) : undefined;
    });
  },
  flops: none,
};
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const first = parts[0];
  if (!first) throw new EngineError('graph', 'concat takes at least one tensor');
  if (parts.length === 1) return first;
  return first.graph.apply(concatOperator, parts, { axis: normalAxis('concat', axis, first.shape.length) })[0]!;
}
