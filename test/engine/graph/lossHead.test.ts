import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differentiate } from '../../../src/engine/graph/differentiate.ts';
import { Graph } from '../../../src/engine/graph/graph.ts';
import { interpret } from '../../../src/engine/graph/interpreter.ts';
import { lossHead } from '../../../src/engine/graph/operators/lossHead.ts';
import { chunkTokens } from '../../../src/engine/runtime/onnxruntime/lowerLossHead.ts';
import { openOnnxRuntime } from '../../../src/engine/runtime/onnxruntime/openOnnxRuntime.ts';

// With the unit matrix as head, hidden states are logits. Values for z = (1, 0, −1), z0 = (0, 0.5, −0.5) and label 0,
// from an independent computation in numpy.
const unit = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
const z = [1, 0, -1];
const base = Float32Array.of(0, 0.5, -0.5);

interface Case {
  title: string;
  kl?: { direction: 'forward' | 'reverse'; temperature: number; value: number };
  gradient: [number, number, number];
}
const cases: Case[] = [
  { title: 'cross-entropy', gradient: [-0.334759, 0.244728, 0.090031] },
  {
    title: 'forward KL',
    kl: { direction: 'forward', temperature: 1, value: 0.266542 },
    gradient: [0.358045, -0.261752, -0.096293],
  },
  {
    title: 'reverse KL',
    kl: { direction: 'reverse', temperature: 1, value: 0.270525 },
    gradient: [0.334043, -0.244205, -0.089838],
  },
  {
    title: 'forward KL at T = 2, times T²',
    kl: { direction: 'forward', temperature: 2, value: 0.264239 },
    gradient: [0.359969, -0.224066, -0.135903],
  },
];

function graphOf({ kl }: Case): Graph {
  const graph = new Graph();
  const hidden = graph.input('z', 'batch', [1, 3]);
  const losses = lossHead({
    hidden,
    head: graph.constant(unit, [3, 3]),
    labels: graph.constant(Int32Array.of(0), [1]),
    weights: graph.constant(Float32Array.of(1), [1]),
    crossEntropy: kl === undefined,
    teacher: kl && {
      hidden: graph.constant(base, [1, 3]),
      head: graph.constant(unit, [3, 3]),
      ratio: graph.constant(Float32Array.of(kl.temperature ** 2), [1]),
      ...kl,
    },
  });
  graph.output('crossEntropy', losses.crossEntropy);
  graph.output('objective', losses.objective);
  graph.output('dz', differentiate(losses.objective, [hidden])[0]!);
  return graph;
}

const near = (a: number, b: number, tolerance: number) => assert.ok(Math.abs(a - b) < tolerance, `${a} is not ${b}`);

for (const lossCase of cases) {
  test(`${lossCase.title} has the published value and gradient, in the interpreter and in onnxruntime`, async () => {
    const graph = graphOf(lossCase);
    const opened = await openOnnxRuntime({ threads: 1 });
    assert.ok(opened.available);
    const program = await opened.runtime.compile(graph);
    const fast = await program.run(() => assert.fail('no state'), { z: Float32Array.from(z) }, {});
    const slow = interpret(graph, { z }).outputs;
    for (const outputs of [fast, Object.fromEntries(slow)]) {
      near(outputs.crossEntropy![0]!, 0.407606, 1e-6);
      near(outputs.objective![0]!, lossCase.kl?.value ?? 0.407606, 1e-6);
      for (const [i, expected] of lossCase.gradient.entries()) near(outputs.dz![i]!, expected, 1e-6);
    }
    await program.close();
  });
}

test('cross-entropy and forward KL at T = 1 pull together towards the mean of label and base', () => {
  const mean = [(1 + 0.307196) / 2, 0.50648 / 2, 0.186324 / 2];
  const graph = new Graph();
  const hidden = graph.constant(Float32Array.from(mean.map(Math.log)), [1, 3]);
  const { objective } = lossHead({
    hidden,
    head: graph.constant(unit, [3, 3]),
    labels: graph.constant(Int32Array.of(0), [1]),
    weights: graph.constant(Float32Array.of(1), [1]),
    teacher: {
      hidden: graph.constant(base, [1, 3]),
      head: graph.constant(unit, [3, 3]),
      ratio: graph.constant(Float32Array.of(1), [1]),
      direction: 'forward',
      temperature: 1,
    },
  });
  graph.output('dz', differentiate(objective, [hidden])[0]!);
  for (const value of interpret(graph, {}).outputs.get('dz')!) near(value, 0, 1e-6);
});

test('chunks of the loss head are as large as a cache takes, or have the rows that a fast product needs', () => {
  const of = (tokens: number, vocabulary: number) => chunkTokens({ tokens, width: 64, vocabulary });
  assert.equal(of(1024, 2048), 512);
  assert.equal(of(1024, 49_152), 128);
  assert.equal(of(96, 49_152), 96);
  // 509 is a prime number: there is no smaller chunk but one token.
  assert.equal(of(509, 49_152), 509);
});
