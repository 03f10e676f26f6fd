import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import * as ort from 'onnxruntime-node';
import { differentiate } from '../../../src/engine/graph/differentiate.ts';
import { Graph } from '../../../src/engine/graph/graph.ts';
import { interpret } from '../../../src/engine/graph/interpreter.ts';
import { neg, scale } from '../../../src/engine/graph/operators/elementwise.ts';
import { lossHead } from '../../../src/engine/graph/operators/lossHead.ts';
import { donatedState } from '../../../src/engine/runtime/donation.ts';
import { wholeGraph } from '../../../src/engine/runtime/onnxruntime/largeUpdates.ts';
import { lowerLossHeadNode, type Rule } from '../../../src/engine/runtime/onnxruntime/lower.ts';
import { lowerGraph } from '../../../src/engine/runtime/onnxruntime/lowerGraph.ts';
import { openOnnxRuntime } from '../../../src/engine/runtime/onnxruntime/openOnnxRuntime.ts';
import { webgpuLossHead, webgpuRules } from '../../../src/engine/runtime/onnxruntime/webgpuRules.ts';
import type { Runtime } from '../../../src/engine/runtime/runtime.ts';
import { values } from '../graph/operatorCases.ts';
import { adamwGraph, decayGraph, runtimeSuite } from './runtimeSuite.ts';

const opened = await openOnnxRuntime({ threads: 1 });
assert.ok(opened.available);
const runtime: Runtime = opened.runtime;
after(() => runtime.close());

runtimeSuite({ runtime: 'onnxruntime' }, runtime);

test("webgpu's loss head in several chunks gives what it gives as a whole", async () => {
  const [tokens, width, vocabulary] = [64, 3, 5];
  const graph = new Graph();
  const some = (seed: number, ...shape: number[]) => graph.constant(Float32Array.from(values(shape, seed)), shape);
  const [hidden, head] = [some(1, tokens, width), some(2, vocabulary, width)];
  const { objective, crossEntropy } = lossHead({
    ...{ hidden, head, weights: some(3, tokens) },
    labels: graph.constant(
      Int32Array.from({ length: tokens }, (_, i) => i % vocabulary),
      [tokens],
    ),
    teacher: {
      ...{ hidden: some(4, tokens, width), head: some(6, vocabulary, width) },
      ratio: some(5, tokens),
      ...{ direction: 'reverse', temperature: 2 },
    },
  });
  graph.output('objective', objective);
  graph.output('crossEntropy', crossEntropy);
  const [ofHidden, ofHead] = differentiate(objective, [hidden, head]);
  graph.output('gradient of hidden', ofHidden!);
  graph.output('gradient of head', ofHead!);
  const resultsOf = async (chunkElements: number) => {
    const lossHead: Rule = args => lowerLossHeadNode(args, { ...webgpuLossHead, chunkElements });
    const { model } = lowerGraph(wholeGraph(graph), { ...webgpuRules, lossHead });
    const session = await ort.InferenceSession.create(model);
    const results = Object.values(await session.run({})).map(({ data }) => [...(data as Float32Array)]);
    await session.release();
    return results.flat();
  };
  const [whole, chunked] = [await resultsOf(2 ** 24), await resultsOf(32 * vocabulary)];
  const expected = [...interpret(graph, {}).outputs.values()].flatMap(values => [...values]);
  assert.equal(whole.length, 1 + tokens + tokens * width + vocabulary * width);
  for (const results of [whole, chunked]) {
    results.forEach((value, i) => {
      assert.ok(Math.abs(value - expected[i]!) < 1e-5 * (1 + Math.abs(value)), `${i}: ${value}, not ${expected[i]}`);
    });
  }
});

const names = ['weight', 'gradient', 'first', 'second'];

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

test('state is updated in the memory it came in', async () => {
  const values = Float32Array.of(1, 2, 3, 4);
  const tensor = runtime.upload(values, [2, 2]);
  const program = await runtime.compile(decayGraph());
  await program.run(() => tensor, { x: Float32Array.of(1, 0, 0, 1) }, { rate: 0.5 });
  assert.deepEqual([...values], [0.5, 1, 1.5, 2]);
  await program.close();
});

test('state that is still read after its update was made is not donated', () => {
  const graph = new Graph();
  const [a, b] = [graph.input('a', 'state', [2]), graph.input('b', 'state', [2])];
  graph.update('a', scale(b, 2));
  graph.update('b', scale(a, 3));
  assert.deepEqual([...donatedState(graph)], []);
});

test('a state whose readers all come before its writer is donated', () => {
  assert.deepEqual([...donatedState(decayGraph())], ['w']);
});
