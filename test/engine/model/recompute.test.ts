/** Activations that are made again on the way back instead of being kept: less memory, the same numbers. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { arenaBytes } from '../../../src/engine/estimate/arena.ts';
import { plannedModel } from '../../../src/engine/estimate/runSize.ts';
import { type Graph, size } from '../../../src/engine/graph/graph.ts';
import { parseModelConfig } from '../../../src/engine/model/modelConfig.ts';
import { openRuntime } from '../../../src/engine/runtime/chooseRuntime.ts';
import { type RecipeParts, recipe, someBatch, withModel } from './tinyLlama.ts';

const methods: Record<string, RecipeParts> = {
  full: {},
  adapter: { adapter: { type: 'lora', r: 4 } },
  narrow: { method: { narrow: { tune: ['mlp'] } } },
  regularized: { method: { regularize: { weight: 1 } } },
};
const recomputing = (parts: RecipeParts): RecipeParts => ({
  ...parts,
  train: { ...parts.train, gradient_checkpointing: true },
});

for (const [name, parts] of Object.entries(methods)) {
  test(`${name}: made again or kept, weights and moments are the same bit for bit`, async () => {
    assert.equal(await hashAfterTraining(recomputing(parts)), await hashAfterTraining(parts));
  });
}

async function hashAfterTraining(parts: RecipeParts): Promise<string> {
  return withModel({ ...parts, name: 'qwen3', threads: 2 }, async model => {
    for (const seed of [1, 2]) {
      await model.step([someBatch(seed, 8, 32), someBatch(seed + 50, 8, 32)], { learningRate: 1e-2 });
      await model.step([someBatch(seed, 8, 32)], { learningRate: 1e-2 });
    }
    const hash = createHash('sha256');
    for (const { name } of model.state.entries()) hash.update(name).update(await model.state.read(name));
    return hash.digest('hex');
  });
}

/** Activations of a layer weigh more than its weights. */
const config = parseModelConfig({
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', vocab_size: 64, hidden_size: 128 },
  ...{ intermediate_size: 512, num_hidden_layers: 8, num_attention_heads: 4, num_key_value_heads: 2 },
  ...{ max_position_embeddings: 256, tie_word_embeddings: true },
});
const shape = { rows: 4, length: 256 };
const gradients = (parts: RecipeParts): Graph =>
  plannedModel(config, recipe(parts)).programs.gradient(shape, 'objective');

for (const name of ['full', 'adapter']) {
  test(`${name}: the estimate knows that less than half is held`, () => {
    const parts = methods[name]!;
    const [kept, again] = [arenaBytes(gradients(parts)), arenaBytes(gradients(recomputing(parts)))];
    assert.ok(again < kept / 2, `${again} of ${kept} bytes`);
  });
}

const runtime = await openRuntime({ runtime: 'onnxruntime' }, 2);
after(() => runtime.close());

test('onnxruntime really makes it again: its process grows by less than half', async () => {
  const again = await growth(gradients(recomputing({})));
  const kept = await growth(gradients({}));
  assert.ok(again < kept / 2, `${again} of ${kept} bytes`);
});

/** How much the process grows by the first run of a program, which stays open. */
async function growth(graph: Graph): Promise<number> {
  const program = await runtime.compile(graph);
  after(() => program.close());
  const states = graph.inputs.filter(({ kind }) => kind === 'state');
  const state = new Map(
    states.map(({ name, tensor }) => {
      const values = Float32Array.from({ length: size(tensor.shape) }, (_, i) => Math.sin(i) / 16);
      return [name, runtime.upload(values, tensor.shape)] as const;
    }),
  );
  const { ids, labels, positions, segments } = someBatch(3, shape.rows, shape.length);
  const weights = new Float32Array(labels.length).fill(1 / labels.length);
  const before = process.memoryUsage.rss();
  await program.run(name => state.get(name)!, { ids, labels, positions, segments, weights }, { carry: 0 });
  return process.memoryUsage.rss() - before;
}
