import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../../../src/engine/engineError.ts';
import { differentiate } from '../../../src/engine/graph/differentiate.ts';
import { Graph, type Shape } from '../../../src/engine/graph/graph.ts';
import { interpret } from '../../../src/engine/graph/interpreter.ts';
import { adamw } from '../../../src/engine/graph/operators/adamw.ts';
import { add, equal, mul } from '../../../src/engine/graph/operators/elementwise.ts';
import { lossHead } from '../../../src/engine/graph/operators/lossHead.ts';
import { matmul } from '../../../src/engine/graph/operators/matmul.ts';
import { rmsNorm } from '../../../src/engine/graph/operators/normalize.ts';
import { sum } from '../../../src/engine/graph/operators/reduce.ts';
import { rotate } from '../../../src/engine/graph/operators/rotate.ts';
import { gatherRows } from '../../../src/engine/graph/operators/rows.ts';
import { concat, reshape, slice, transpose } from '../../../src/engine/graph/operators/shape.ts';
import { graphOf, operatorCases } from './operatorCases.ts';

const step = 1e-6;
const betas = { beta1: 0.9, beta2: 0.99 };

for (const operatorCase of operatorCases) {
  test(`the gradient of ${operatorCase.name} agrees with central differences`, () => {
    const { graph, inputs, names } = graphOf(operatorCase);
    const at = (name: string, place: number, by: number) => {
      const moved = { ...inputs, [name]: inputs[name]!.with(place, inputs[name]![place]! + by) };
      return interpret(graph, moved).outputs.get('objective')![0]!;
    };
    const { outputs } = interpret(graph, inputs);
    for (const name of names) {
      const gradient = outputs.get(`d${name}`)!;
      inputs[name]!.forEach((_, place) => {
        const difference = (at(name, place, step) - at(name, place, -step)) / (2 * step);
        assert.ok(
          Math.abs(difference - gradient[place]!) < 1e-7,
          `${name}[${place}]: ${gradient[place]} is not ${difference}`,
        );
      });
    }
  });
}

/** Nothing flows back through these; their values are tested with the runtime. */
const withoutCase = ['adamw'];

test('every operator is used in a case', () => {
  const folder = fileURLToPath(new URL('../../../src/engine/graph/operators/', import.meta.url));
  const text = readdirSync(folder).map(file => readFileSync(folder + file, 'utf8'));
  const declared = text.flatMap(source =>
    [...source.matchAll(/(?:name: |binary\(|unary\(|comparison\()'(\w+)'/g)].map(match => match[1]!),
  );
  const used = new Set(operatorCases.flatMap(c => graphOf(c).graph.nodes.map(node => node.operator.name)));
  assert.ok(declared.length >= 25);
  assert.deepEqual(
    declared.filter(name => !used.has(name)),
    withoutCase,
  );
});

const shapes: [
  string,
  (graph: Graph, input: (shape: Shape) => ReturnType<Graph['input']>) => { shape: Shape },
  Shape,
][] = [
  ['broadcasting add', (_, x) => add(x([2, 1, 3]), x([4, 1])), [2, 4, 3]],
  ['batched matmul with a transpose', (_, x) => matmul(x([5, 2, 3]), x([4, 3]), { transposeB: true }), [5, 2, 4]],
  ['transpose', (_, x) => transpose(x([2, 3, 4]), [2, 0, 1]), [4, 2, 3]],
  ['sum keeps its axes', (_, x) => sum(x([2, 3, 4]), [-1, 0]), [1, 3, 1]],
  ['slice', (_, x) => slice(x([2, 5]), -1, 1, 4), [2, 3]],
  ['concat', (_, x) => concat([x([2, 1]), x([2, 3])], -1), [2, 4]],
];
for (const [title, build, expected] of shapes) {
  test(`shape of ${title}`, () => {
    const graph = new Graph();
    let last = 0;
    const input = (shape: Shape) => graph.input(`x${++last}`, 'batch', shape);
    assert.deepEqual(build(graph, input).shape, expected);
  });
}

const faults: [
  string,
  (graph: Graph, input: (shape: Shape, dtype?: 'f32' | 'i32') => ReturnType<Graph['input']>) => unknown,
  RegExp,
][] = [
  ['shapes that do not broadcast', (_, x) => add(x([2, 3]), x([2])), /add: \[2,3\] and \[2\] do not fit/],
  ['numbers of the wrong type', (_, x) => add(x([2]), x([2], 'i32')), /add takes f32, not i32/],
  ['comparing numbers of two types', (_, x) => equal(x([2]), x([2], 'i32')), /equal number types/],
  ['matrices that do not fit', (_, x) => matmul(x([2, 3]), x([2, 3])), /matmul: \[2,3\] and \[2,3\] do not fit/],
  ['a vector in matmul', (_, x) => matmul(x([3]), x([3, 2])), /at least two axes/],
  ['a reshape that loses elements', (_, x) => reshape(x([2, 3]), [4]), /does not become/],
  ['an axis that is not there', (_, x) => sum(x([2]), [1]), /no axis 1/],
  ['an order of axes that repeats one', (_, x) => transpose(x([2, 3]), [0, 0]), /no order of the axes/],
  ['a slice past the end', (_, x) => slice(x([2, 3]), 1, 1, 4), /not within axis 1/],
  ['a concat of misfits', (_, x) => concat([x([2, 3]), x([3, 3])], 1), /do not fit/],
  ['row numbers that are not integers', (_, x) => gatherRows(x([4, 2]), x([3])), /takes i32/],
  ['a norm weight of another width', (_, x) => rmsNorm(x([2, 3]), x([4]), 1), /weight \[4\] does not fit/],
  [
    'a rotation of another width',
    (_, x) => rotate(x([1, 2, 6]), x([1, 2], 'i32'), x([4, 2]), x([4, 2])),
    /does not fit positions/,
  ],
  [
    'labels for other tokens',
    (_, x) => lossHead({ hidden: x([4, 3]), head: x([5, 3]), labels: x([3], 'i32'), weights: x([4]) }),
    /not one value for 4 tokens/,
  ],
  [
    'a moment of another shape',
    (_, x) => {
      const [w, s] = [x([2]), x([])];
      return adamw(
        { weight: w, gradient: w, first: x([3]), second: w, clip: s, stepSize: s, epsilon: s, keep: s },
        betas,
      );
    },
    /\[3\] does not fit the weight \[2\]/,
  ],
  ['an objective that is no scalar', (_, x) => differentiate(x([2]), []), /Only a scalar/],
];
for (const [title, build, message] of faults) {
  test(`refused: ${title}`, () => {
    const graph = new Graph();
    let last = 0;
    const input = (shape: Shape, dtype: 'f32' | 'i32' = 'f32') => graph.input(`x${++last}`, 'batch', shape, dtype);
    assert.throws(
      () => build(graph, input),
      (error: unknown) => error instanceof EngineError && error.code === 'graph' && message.test(error.message),
    );
  });
}

test('a tensor that does not train gets no gradient nodes', () => {
  const graph = new Graph();
  const x = graph.input('x', 'batch', [4, 3]);
  const [frozen, trained] = [graph.input('frozen', 'state', [3, 3]), graph.input('trained', 'state', [3, 2])];
  const before = graph.nodes.length;
  const y = reshape(sum(matmul(matmul(x, frozen), trained), [0, 1]), []);
  const forward = graph.nodes.length - before;
  const [gradient] = differentiate(y, [trained]);
  assert.deepEqual(gradient!.shape, [3, 2]);
  const products = graph.nodes.slice(before + forward).filter(node => node.operator.name === 'matmul');
  assert.equal(products.length, 1);
});

test('what the objective does not depend on has no gradient', () => {
  const graph = new Graph();
  const [a, b] = [graph.input('a', 'state', []), graph.input('b', 'state', [])];
  assert.deepEqual(
    differentiate(mul(a, a), [b, a]).map(gradient => gradient?.shape),
    [undefined, []],
  );
});
