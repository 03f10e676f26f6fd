/**
 * onnxruntime on webgpu. The suite gives it a software GPU (softwareGpu.ts); started by hand, it takes the GPU that is
 * there.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import * as ort from 'onnxruntime-node';
import { plannedModel } from '../../src/engine/estimate/runSize.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { scale } from '../../src/engine/graph/operators/elementwise.ts';
import { readModelConfig } from '../../src/engine/model/modelConfig.ts';
import { wholeGraph } from '../../src/engine/runtime/onnxruntime/largeUpdates.ts';
import { lowerGraph } from '../../src/engine/runtime/onnxruntime/lowerGraph.ts';
import { openOnnxRuntime } from '../../src/engine/runtime/onnxruntime/openOnnxRuntime.ts';
import { baseOptions } from '../../src/engine/runtime/onnxruntime/sessionOptions.ts';
import { webgpuRules } from '../../src/engine/runtime/onnxruntime/webgpuRules.ts';
import { count } from '../counts.ts';
import { graphOf, operatorCases } from '../engine/graph/operatorCases.ts';
import { fixtureFolder, recipe } from '../engine/model/tinyLlama.ts';
import { decayGraph, runtimeSuite } from '../engine/runtime/runtimeSuite.ts';

const opened = await openOnnxRuntime({ threads: 1, provider: 'webgpu', reason: 'a test' });
const skip = opened.available ? false : `${opened.reason}. ${opened.remedy}`;
if (!opened.available) test('onnxruntime on webgpu', { skip }, () => {});
else {
  const { runtime } = opened;
  after(() => runtime.close());
  runtimeSuite({ runtime: 'onnxruntime', provider: 'webgpu' }, runtime);

  test('a GPU that is a program on the CPU is called so', { skip: !process.env.VK_ICD_FILENAMES }, () => {
    assert.equal(runtime.reason, 'a test; its GPU is SwiftShader, a program on the CPU');
  });

  test('state outlives the program that made it', async () => {
    const tensor = runtime.upload(Float32Array.of(1, 2, 3, 4), [2, 2]);
    const first = await runtime.compile(decayGraph());
    await first.run(() => tensor, { x: Float32Array.of(1, 0, 0, 1) }, { rate: 0.5 });
    await first.close();
    const second = await runtime.compile(decayGraph());
    await second.run(() => tensor, { x: Float32Array.of(1, 0, 0, 1) }, { rate: 0.5 });
    await second.close();
    assert.deepEqual([...(await runtime.read(tensor))], [0.25, 0.5, 0.75, 1]);
    runtime.free(tensor);
  });

  test('hundreds of steps hold no more memory than the first ones', async () => {
    const graph = new Graph();
    const elements = 2 ** 20;
    graph.update('w', scale(graph.input('w', 'state', [elements]), 0.99));
    const program = await runtime.compile(graph);
    const tensor = runtime.upload(new Float32Array(elements).fill(1), [elements]);
    const step = () => program.run(() => tensor, {}, {});
    for (let i = 0; i < 20; i++) await step();
    const before = process.memoryUsage.rss();
    const steps = count(300, 3000);
    for (let i = 0; i < steps; i++) await step();
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 20 * elements * 4, `${steps} steps left ${Math.round(grown / 2 ** 20)} MiB behind`);
    assert.ok(Math.abs((await runtime.read(tensor))[7]! - 0.99 ** (20 + steps)) < 1e-5);
    await program.close();
    runtime.free(tensor);
  });
}

/** Opens only where no node is left to the CPU. */
async function openWholly(graph: Graph): Promise<void> {
  const options = baseOptions('webgpu', 1);
  const session = { ...(options.extra!.session as object), disable_cpu_ep_fallback: '1' };
  const { model } = lowerGraph(wholeGraph(graph), webgpuRules);
  await (await ort.InferenceSession.create(model, { ...options, extra: { session } })).release();
}

for (const operatorCase of operatorCases) {
  test(`webgpu computes all of ${operatorCase.name}, nothing goes to the CPU and back`, { skip }, async () => {
    await openWholly(graphOf(operatorCase).graph);
  });
}

const recipes = {
  plain: {},
  'KL to a copy of the base': { method: { regularize: { weight: 0.5, teacher: 'copy' } } },
  LoRA: { adapter: { type: 'lora', r: 4 } },
} as const;
for (const [title, parts] of Object.entries(recipes)) {
  test(`webgpu computes all of a step of ${title}, nothing goes to the CPU and back`, { skip }, async () => {
    const { config } = await readModelConfig(fixtureFolder('tied'));
    await openWholly(plannedModel(config, recipe(parts)).programs.step({ rows: 2, length: 8 }));
  });
}
