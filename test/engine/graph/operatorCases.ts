/**
 * One small use of every operator and of the two composites, for value and gradient tests on the interpreter and on
 * every runtime.
 */
import { differentiate } from '../../../src/engine/graph/differentiate.ts';
import { Graph, type Shape, size, type Tensor } from '../../../src/engine/graph/graph.ts';
import { after } from '../../../src/engine/graph/operators/after.ts';
import * as elementwise from '../../../src/engine/graph/operators/elementwise.ts';
import { lossHead } from '../../../src/engine/graph/operators/lossHead.ts';
import { matmul } from '../../../src/engine/graph/operators/matmul.ts';
import { rmsNorm, softmax } from '../../../src/engine/graph/operators/normalize.ts';
import { sum, sumAll, sumSquares } from '../../../src/engine/graph/operators/reduce.ts';
import { rotate } from '../../../src/engine/graph/operators/rotate.ts';
import { addRows, gatherRows } from '../../../src/engine/graph/operators/rows.ts';
import { broadcastTo, concat, reshape, slice, transpose } from '../../../src/engine/graph/operators/shape.ts';
import { recomputed } from '../../../src/engine/graph/recompute.ts';
import { attention, swiGlu } from '../../../src/engine/model/layers.ts';

const { add, and, div, equal, exp, lessOrEqual, log, minimum, mul, neg, reciprocal, sigmoid, sqrt, sub, where } =
  elementwise;

export interface OperatorCase {
  name: string;
  /** Shapes of the f32 inputs that are differentiated. */
  inputs: Shape[];
  /** Values in [0.5, 1.5] instead of [−1, 1]. */
  positive?: boolean;
  build: (inputs: Tensor[], graph: Graph) => Tensor;
}

const two: Shape[] = [
  [2, 3],
  [2, 3],
];
const ids = (graph: Graph, ...values: number[]) => graph.constant(Int32Array.from(values), [values.length]);
const reals = (graph: Graph, shape: Shape, ...values: number[]) => graph.constant(Float32Array.from(values), shape);

function lossCase(
  name: string,
  options: { direction: 'forward' | 'reverse'; temperature: number; crossEntropy?: boolean },
) {
  return {
    name,
    inputs: [
      [4, 3],
      [5, 3],
    ],
    build: ([hidden, head]: Tensor[], graph: Graph) =>
      lossHead({
        hidden: hidden!,
        head: head!,
        labels: ids(graph, 1, 4, 0, 2),
        weights: reals(graph, [4], 0.5, 0.25, 0, 0.25),
        crossEntropy: options.crossEntropy,
        teacher: {
          hidden: reals(graph, [4, 3], ...values([4, 3], 77)),
          head: reals(graph, [5, 3], ...values([5, 3], 78)),
          ratio: reals(graph, [4], 0.7, 0, 2, 1.5),
          ...options,
        },
      }).objective,
  };
}

export const operatorCases: OperatorCase[] = [
  { name: 'add', inputs: two, build: ([a, b]) => add(a!, b!) },
  {
    name: 'add, broadcast',
    inputs: [
      [2, 1, 3],
      [4, 1],
    ],
    build: ([a, b]) => add(a!, b!),
  },
  { name: 'sub', inputs: [[2, 3], [3]], build: ([a, b]) => sub(a!, b!) },
  {
    name: 'mul',
    inputs: [
      [2, 3],
      [1, 3],
    ],
    build: ([a, b]) => mul(a!, b!),
  },
  { name: 'mul of a tensor with itself', inputs: [[2, 3]], build: ([a]) => mul(a!, a!) },
  { name: 'div', inputs: two, positive: true, build: ([a, b]) => div(a!, b!) },
  { name: 'minimum', inputs: two, build: ([a, b]) => minimum(a!, b!) },
  { name: 'neg', inputs: [[2, 3]], build: ([a]) => neg(a!) },
  { name: 'exp', inputs: [[2, 3]], build: ([a]) => exp(a!) },
  { name: 'log', inputs: [[2, 3]], positive: true, build: ([a]) => log(a!) },
  { name: 'sqrt', inputs: [[2, 3]], positive: true, build: ([a]) => sqrt(a!) },
  { name: 'reciprocal', inputs: [[2, 3]], positive: true, build: ([a]) => reciprocal(a!) },
  { name: 'sigmoid', inputs: [[2, 3]], build: ([a]) => sigmoid(a!) },
  {
    name: 'where, with equal, lessOrEqual and and',
    inputs: two,
    build: ([a, b], graph) => {
      const column = reshape(ids(graph, 1, 2), [2, 1]);
      const row = reshape(ids(graph, 1, 2, 2), [1, 3]);
      return where(and(equal(column, row), lessOrEqual(row, column)), a!, b!);
    },
  },
  {
    name: 'after',
    inputs: two,
    build: ([a, b]) => add(b!, after(a!, [exp(b!), mul(a!, b!)])),
  },
  {
    name: 'recomputed, twice in a row',
    inputs: [
      [2, 3],
      [3, 3],
    ],
    build: ([a, w]) => {
      const layer = (x: Tensor): Tensor => add(x, swiGlu(matmul(x, w!), exp(x)));
      return recomputed(recomputed(a!, layer), layer);
    },
  },
  { name: 'sum over one axis', inputs: [[2, 3, 2]], build: ([a]) => sum(a!, [1]) },
  { name: 'sum over two axes', inputs: [[2, 3, 2]], build: ([a]) => sum(a!, [0, -1]) },
  { name: 'sumSquares', inputs: [[2, 3]], build: ([a]) => sumSquares(a!) },
  { name: 'sumAll', inputs: [[2, 3, 2]], build: ([a]) => sumAll(a!) },
  { name: 'reshape', inputs: [[2, 6]], build: ([a]) => reshape(a!, [3, 4]) },
  { name: 'transpose', inputs: [[2, 3, 4]], build: ([a]) => transpose(a!, [1, 2, 0]) },
  { name: 'broadcastTo', inputs: [[2, 1]], build: ([a]) => broadcastTo(a!, [3, 2, 4]) },
  { name: 'slice', inputs: [[2, 5]], build: ([a]) => slice(a!, 1, 1, 4) },
  {
    name: 'concat',
    inputs: [
      [2, 1],
      [2, 3],
    ],
    build: ([a, b]) => concat([a!, b!], 1),
  },
  {
    name: 'matmul',
    inputs: [
      [2, 3],
      [3, 4],
    ],
    build: ([a, b]) => matmul(a!, b!),
  },
  {
    name: 'matmul, a transposed',
    inputs: [
      [3, 2],
      [3, 4],
    ],
    build: ([a, b]) => matmul(a!, b!, { transposeA: true }),
  },
  {
    name: 'matmul, b transposed and scaled',
    inputs: [
      [2, 3],
      [4, 3],
    ],
    build: ([a, b]) => matmul(a!, b!, { transposeB: true, scale: 0.5 }),
  },
  {
    name: 'matmul, both transposed',
    inputs: [
      [3, 2],
      [4, 3],
    ],
    build: ([a, b]) => matmul(a!, b!, { transposeA: true, transposeB: true }),
  },
  {
    name: 'matmul, batched and broadcast',
    inputs: [
      [2, 3, 2, 4],
      [1, 3, 4, 2],
    ],
    build: ([a, b]) => matmul(a!, b!),
  },
  { name: 'gatherRows', inputs: [[4, 3]], build: ([a], graph) => gatherRows(a!, ids(graph, 2, 0, 2, 3, 2)) },
  { name: 'addRows', inputs: [[4, 3]], build: ([a], graph) => addRows(a!, ids(graph, 1, 4, 1, 0), 5) },
  {
    name: 'addRows, to a tensor',
    inputs: [
      [4, 3],
      [5, 3],
    ],
    build: ([a, b], graph) => mul(add(b!, addRows(a!, ids(graph, 1, 4, 1, 0), 5)), b!),
  },
  {
    name: 'addRows, to a tensor and read again',
    inputs: [
      [4, 3],
      [5, 3],
    ],
    build: ([a, b], graph) => {
      const rows = addRows(a!, ids(graph, 1, 4, 1, 0), 5);
      return mul(add(rows, b!), rows);
    },
  },
  { name: 'softmax', inputs: [[2, 5]], build: ([a]) => softmax(a!) },
  {
    name: 'softmax of hidden scores, in one row all of them',
    inputs: [[3, 4]],
    build: ([a], graph) => {
      const open = equal(reals(graph, [3, 4], 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1), reals(graph, [1], 1));
      return softmax(where(open, a!, reals(graph, [1], -1e9)));
    },
  },
  {
    name: 'exp down to numbers too small for a normal float',
    inputs: [[2, 3]],
    build: ([a], graph) => exp(sub(a!, reals(graph, [2, 3], 0, 20, 60, 88, 100, 104))),
  },
  { name: 'rmsNorm', inputs: [[2, 2, 4], [4]], build: ([a, w]) => rmsNorm(a!, w!, 1e-2) },
  {
    name: 'rotate',
    inputs: [[2, 3, 8]],
    build: ([a], graph) => {
      const positions = graph.constant(Int32Array.of(0, 1, 2, 0, 0, 1), [2, 3]);
      const angles = Array.from({ length: 6 }, (_, i) => Math.floor(i / 2) / 3 ** (i % 2));
      const [cos, sin] = [reals(graph, [3, 2], ...angles.map(Math.cos)), reals(graph, [3, 2], ...angles.map(Math.sin))];
      return rotate(a!, positions, cos, sin);
    },
  },
  {
    name: 'lossHead without a teacher',
    inputs: [
      [4, 3],
      [5, 3],
    ],
    build: ([hidden, head], graph) =>
      lossHead({
        hidden: hidden!,
        head: head!,
        labels: ids(graph, 1, 4, 0, 2),
        weights: reals(graph, [4], 0.5, 0.25, 0, 0.25),
      }).objective,
  },
  lossCase('lossHead, forward KL', { direction: 'forward', temperature: 1 }),
  lossCase('lossHead, forward KL at T = 2', { direction: 'forward', temperature: 2 }),
  lossCase('lossHead, reverse KL', { direction: 'reverse', temperature: 1 }),
  lossCase('lossHead, reverse KL alone at T = 0.5', { direction: 'reverse', temperature: 0.5, crossEntropy: false }),
  { name: 'swiGlu', inputs: two, build: ([a, b]) => swiGlu(a!, b!) },
  {
    name: 'attention',
    inputs: [
      [2, 3, 8],
      [2, 3, 4],
      [2, 3, 4],
    ],
    build: ([q, k, v], graph) => {
      const mask = Array.from({ length: 18 }, (_, i) => (i % 3 > Math.floor(i / 3) % 3 ? -1e9 : 0));
      const shape = { rows: 2, length: 3, columns: 3, heads: 4, keyValueHeads: 2, headWidth: 2 };
      return attention(q!, k!, v!, reals(graph, [2, 1, 3, 3], ...mask), shape);
    },
  },
  {
    name: 'attention over more columns than rows',
    inputs: [
      [1, 2, 8],
      [1, 5, 4],
      [1, 5, 4],
    ],
    build: ([q, k, v], graph) => {
      const mask = Array.from({ length: 10 }, (_, i) => (i % 5 > 3 + Math.floor(i / 5) ? -1e9 : 0));
      const shape = { rows: 1, length: 2, columns: 5, heads: 4, keyValueHeads: 2, headWidth: 2 };
      return attention(q!, k!, v!, reals(graph, [1, 1, 2, 5], ...mask), shape);
    },
  },
];

/** Fixed values that look random. */
export function values(shape: Shape, seed: number, positive = false): number[] {
  return Array.from({ length: size(shape) }, (_, i) => {
    const wave = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453;
    const unit = Math.fround(wave - Math.floor(wave));
    return positive ? 0.5 + unit : 2 * unit - 1;
  });
}

export interface CaseGraph {
  graph: Graph;
  /** Values of the inputs, by name. */
  inputs: Record<string, number[]>;
  names: string[];
}

/** Σ of the case's result under fixed weights is the output `objective`; gradients are outputs `d<input>`. */
export function graphOf({ inputs: shapes, positive, build }: OperatorCase): CaseGraph {
  const graph = new Graph();
  const names = shapes.map((_, i) => `x${i}`);
  const tensors = shapes.map((shape, i) => graph.input(names[i]!, 'batch', shape));
  const result = build(tensors, graph);
  const weights = graph.constant(Float32Array.from(values(result.shape, 5)), result.shape);
  const objective = result.shape.length === 0 ? result : sumAll(mul(result, weights));
  graph.output('result', result);
  graph.output('objective', objective);
  differentiate(objective, tensors).forEach((gradient, i) => {
    if (gradient) graph.output(`d${names[i]}`, gradient);
  });
  return { graph, names, inputs: Object.fromEntries(shapes.map((shape, i) => [names[i], values(shape, i, positive)])) };
}
