import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Graph } from '../../../src/engine/graph/graph.ts';
import { interpret } from '../../../src/engine/graph/interpreter.ts';
import { adamw } from '../../../src/engine/graph/operators/adamw.ts';
import { add, mul, neg, scale } from '../../../src/engine/graph/operators/elementwise.ts';
import { matmul } from '../../../src/engine/graph/operators/matmul.ts';
import { sumSquares } from '../../../src/engine/graph/operators/reduce.ts';
import { donatedState } from '../../../src/engine/runtime/donation.ts';
import { openOnnxRuntime } from '../../../src/engine/runtime/onnxruntime/openOnnxRuntime.ts';
import type { DeviceTensor, Runtime } from '../../../src/engine/runtime/runtime.ts';
import { graphOf, operatorCases, values } from '../graph/operatorCases.ts';

const opened = await openOnnxRuntime({ threads: 1 });
assert.ok(opened.available);
const runtime: Runtime = opened.runtime;
after(() => runtime.close());
const noState = () => assert.fail('no state');

for (const operatorCase of operatorCases) {
  test(`${operatorCase.name} and its gradient agree with the interpreter`, async () => {
    const { graph, inputs } = graphOf(operatorCase);
    const expected = interpret(graph, inputs).outputs;
    const program = await runtime.compile(graph);
    const batch = Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, Float32Array.from(v)]));
    const outputs = await program.run(noState, batch, {});
    for (const [name, values] of expected) {
      assert.equal(outputs[name]!.length, values.length);
      values.forEach((value, i) => {
        assert.ok(Math.abs(outputs[name]![i]! - value) < 2e-5 * (1 + Math.abs(value)), `${name}[${i}]`);
      });
    }
    await program.close();
  });
}

const names = ['weight', 'gradient', 'first', 'second'];

function adamwGraph(elements: number, { isReadAgain = false, isGradientMade = false }) {
  const graph = new Graph();
  const state = (name: string) => graph.input(name, 'state', [elements / 4, 4]);
  const scalar = (name: string) => graph.input(name, 'scalar', []);
  const [clip, stepSize, epsilon, keep] = [scalar('clip'), scalar('stepSize'), scalar('epsilon'), scalar('keep')];
  const slots = {
    weight: state('weight'),
    gradient: state('gradient'),
    first: state('first'),
    second: state('second'),
  };
  graph.output('norm', sumSquares(slots.gradient));
  if (isGradientMade) slots.gradient = scale(slots.gradient, 0.7);
  const next = adamw({ ...slots, clip, stepSize, epsilon, keep }, { beta1: 0.9, beta2: 0.99 });
  for (const [name, tensor] of Object.entries(next)) graph.update(name, isReadAgain ? scale(tensor, 0.5) : tensor);
  return graph;
}

for (const elements of [12, 2 * 2 ** 15, 3 * 20_000]) {
  for (const isReadAgain of [false, true]) {
    test(`adamw on ${elements} elements${isReadAgain ? ', read again,' : ''} agrees with the interpreter, in place`, async () => {
      const graph = adamwGraph(elements, { isReadAgain });
      const scalars = { clip: 0.5, stepSize: 0.1, epsilon: 1e-3, keep: 0.9 };
      const start = names.map((_, i) => values([elements], i, i === 3));
      const inputs = Object.fromEntries(names.map((name, i) => [name, start[i]!]));
      const wrapped = Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, [value]]));
      const expected = interpret(graph, { ...inputs, ...wrapped }).updates;
      const shape = [elements / 4, 4];
      const tensors = Object.fromEntries(
        names.map(name => [name, runtime.upload(Float32Array.from(inputs[name]!), shape)]),
      );
      const program = await runtime.compile(graph);
      await program.run(name => tensors[name]!, {}, scalars);
      for (const [name, expectedValues] of expected) {
        const ours = await runtime.read(tensors[name]!);
        const apart = ours.reduce((most, x, i) => Math.max(most, Math.abs(x - expectedValues[i]!)), 0);
        assert.ok(apart < 1e-6, `${name} is ${apart} apart`);
      }
      await program.close();
    });
  }
}

for (const isGradientMade of [false, true]) {
  const source = isGradientMade ? 'made by the session' : 'state';
  test(`a large update has the bits of onnxruntime's nodes; its gradient is ${source}`, async () => {
    const elements = 2 ** 14 + 4;
    const start = names.map((_, i) => Float32Array.from(values([elements], i, i === 3)));
    const bitsAfter = async (isReadAgain: boolean) => {
      const graph = adamwGraph(elements, { isGradientMade });
      // An update that somebody reads stays among the session's nodes.
      if (isReadAgain) graph.output('read', neg(graph.updates.get('weight')!));
      const program = await runtime.compile(graph);
      const tensors = start.map(values => runtime.upload(values.slice(), [elements / 4, 4]));
      const scalars = { clip: 0.3, stepSize: 0.01, epsilon: 1e-8, keep: 0.999 };
      for (let step = 0; step < 3; step++) await program.run(name => tensors[names.indexOf(name)]!, {}, scalars);
      await program.close();
      return Promise.all(tensors.map(async tensor => new Uint32Array((await runtime.read(tensor)).buffer)));
    };
    assert.deepEqual(await bitsAfter(false), await bitsAfter(true));
  });
}

/** w ← w − rate · (x·w), with the norm of the product read out. */
function decayGraph() {
  const graph = new Graph();
  const [w, x, rate] = [
    graph.input('w', 'state', [2, 2]),
    graph.input('x', 'batch', [2, 2]),
    graph.input('rate', 'scalar', []),
  ];
  const product = matmul(x, w);
  graph.output('product', product);
  graph.update('w', add(w, mul(neg(product), rate)));
  return graph;
}

test('state is updated in place and stays with the runtime', async () => {
  const values = Float32Array.of(1, 2, 3, 4);
  const tensor = runtime.upload(values, [2, 2]);
  const program = await runtime.compile(decayGraph());
  for (let i = 0; i < 3; i++) await program.run(() => tensor, { x: Float32Array.of(1, 0, 0, 1) }, { rate: 0.5 });
  assert.deepEqual([...(await runtime.read(tensor))], [0.125, 0.25, 0.375, 0.5]);
  assert.equal(values[0], 0.125);
  await runtime.write(tensor, Float32Array.of(8, 8, 8, 8));
  await program.run(() => tensor, { x: Float32Array.of(1, 0, 0, 1) }, { rate: 1 });
  assert.deepEqual([...(await runtime.read(tensor))], [0, 0, 0, 0]);
  await program.close();
});

test('state that is still read after its update was made is not overwritten early', async () => {
  const graph = new Graph();
  const [a, b] = [graph.input('a', 'state', [2]), graph.input('b', 'state', [2])];
  graph.update('a', scale(b, 2));
  graph.update('b', scale(a, 3));
  assert.deepEqual([...donatedState(graph)], []);
  const tensors: Record<string, DeviceTensor> = {
    a: runtime.upload(Float32Array.of(1, 2), [2]),
    b: runtime.upload(Float32Array.of(10, 20), [2]),
  };
  const program = await runtime.compile(graph);
  await program.run(name => tensors[name]!, {}, {});
  assert.deepEqual([...(await runtime.read(tensors.a!))], [20, 40]);
  assert.deepEqual([...(await runtime.read(tensors.b!))], [3, 6]);
  await program.close();
});

test('a state whose readers all come before its writer is donated', () => {
  assert.deepEqual([...donatedState(decayGraph())], ['w']);
});

test('an input that was not given, or of another size, is named', async () => {
  const program = await runtime.compile(decayGraph());
  const tensor = runtime.upload(new Float32Array(4), [2, 2]);
  await assert.rejects(
    program.run(() => tensor, {}, { rate: 1 }),
    /misses its batch input x/,
  );
  await assert.rejects(
    program.run(() => tensor, { x: new Float32Array(4) }, {}),
    /misses its scalar input rate/,
  );
  await assert.rejects(
    program.run(() => tensor, { x: new Float32Array(3) }, { rate: 1 }),
    /x has 3 values instead of \[2,2\]/,
  );
  runtime.free(tensor);
  await assert.rejects(
    program.run(() => tensor, { x: new Float32Array(4) }, { rate: 1 }),
    /freed tensor/,
  );
  await program.close();
});
