import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Batch } from '../../../src/engine/batch.ts';
import { accumulator } from '../../../src/engine/model/programs.ts';
import { batchOf, type FixtureName, fixtureBatch, fixtureNames, numbersOf, tensorsOf, withModel } from './tinyLlama.ts';

const described: Record<FixtureName, string> = {
  tied: 'tied Llama',
  untied: 'untied Llama',
  llama3: 'Llama with llama3 RoPE',
  linear: 'Llama with linear RoPE and biases everywhere',
  qwen2: 'Qwen2',
  qwen3: 'Qwen3',
};

const largest = (a: ArrayLike<number>) => Array.from(a).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
const apart = (a: ArrayLike<number>, b: ArrayLike<number>) => largest(Array.from(a, (x, i) => x - b[i]!));

for (const name of fixtureNames) {
  const model = described[name];
  test(`logits and losses of a ${model} are those of transformers`, async () => {
    const numbers = numbersOf(name);
    await withModel({ name }, async model => {
      const batch = fixtureBatch(name);
      assert.ok(apart(await model.logits(batch, 'tuned'), numbers.logits) < 1e-4);
      const scores = await model.score(batch, 'base');
      const targets = batch.labels.filter(label => label >= 0).length;
      assert.ok(Math.abs(scores.reduce((a, b) => a + b, 0) / targets - numbers.loss) < 1e-5);
    });
  });

  test(`gradients of every tensor of a ${model} are torch's`, async () => {
    const expected = await tensorsOf(name, 'gradients.safetensors');
    await withModel({ name }, async model => {
      await model.probe([fixtureBatch(name)]);
      for (const tensor of model.trainedNames) {
        const ours = await model.state.read(accumulator(tensor));
        const torch = expected.get(tensor)!;
        assert.ok(apart(ours, torch) < 1e-3 * largest(torch), `${tensor} is ${apart(ours, torch)} apart`);
      }
      assert.equal(expected.size, model.trainedNames.length);
    });
  });

  test(`three steps of AdamW with clipping and decay move a ${model} as torch does`, async () => {
    const { adamw } = numbersOf(name);
    const expected = await tensorsOf(name, 'after-3-steps.safetensors');
    const train = {
      weight_decay: adamw.weight_decay,
      adam_beta1: adamw.beta1,
      adam_beta2: adamw.beta2,
      adam_epsilon: adamw.epsilon,
      max_grad_norm: adamw.max_grad_norm,
    };
    await withModel({ name, train }, async model => {
      for (let step = 0; step < 3; step++) {
        const metrics = await model.step([fixtureBatch(name)], { learningRate: adamw.learning_rate });
        assert.ok(Math.abs(metrics.loss - adamw.losses[step]!) < 1e-4);
        assert.ok(Math.abs(metrics.gradientNorm / adamw.gradient_norms[step]! - 1) < 1e-3);
      }
      for (const tensor of model.trainedNames) {
        assert.ok(apart(await model.read(tensor), expected.get(tensor)!) < 2e-4, tensor);
      }
    });
  });
}

test('documents packed into one row score as they do alone', async () => {
  const { ids, labels } = numbersOf('tied');
  const [first, second] = [ids[0]!.slice(0, 7), ids[1]!.slice(0, 5)];
  const alone = (row: number[], own: number[]) => batchOf([row], [own]);
  const packed: Batch = {
    ...batchOf([[...first, ...second]], [[...labels[0]!.slice(0, 7), ...labels[1]!.slice(0, 5)]]),
    positions: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4),
    segments: Int32Array.of(1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2),
  };
  await withModel({}, async model => {
    const together = await model.logits(packed, 'tuned');
    const apartLogits = [
      ...(await model.logits(alone(first, labels[0]!.slice(0, 7)), 'tuned')),
      ...(await model.logits(alone(second, labels[1]!.slice(0, 5)), 'tuned')),
    ];
    assert.ok(apart(together, apartLogits) < 1e-5);
  });
});

test('padding changes nothing before it', async () => {
  const batch = fixtureBatch();
  const padded: Batch = {
    ...batch,
    ids: batch.ids.slice(),
    segments: batch.segments.slice(),
    labels: batch.labels.slice(),
  };
  for (let i = 20; i < 24; i++) [padded.ids[i], padded.segments[i], padded.labels[i]] = [0, 0, -100];
  await withModel({}, async model => {
    const [whole, cut] = [await model.score(batch, 'tuned'), await model.score(padded, 'tuned')];
    assert.ok(apart(whole.slice(0, 20), cut.slice(0, 20)) < 1e-6);
    assert.deepEqual([...cut.slice(20)], [0, 0, 0, 0]);
  });
});

test('accumulating micro-batches of unequal token counts equals one step over all rows', async () => {
  const { ids, labels } = numbersOf('tied');
  const rows = [0, 1].map(i => batchOf([ids[i]!], [labels[i]!]));
  rows[1]!.labels.fill(-100, 0, 9);
  const whole = fixtureBatch();
  whole.labels.fill(-100, 12, 12 + 9);
  const settings = { train: { max_grad_norm: 0.5, weight_decay: 0.1 } };
  const fused = await withModel(settings, async model => {
    const metrics = await model.step([whole], { learningRate: 1e-2 });
    return { metrics, weights: await model.read('model.layers.0.mlp.up_proj.weight') };
  });
  await withModel(settings, async model => {
    const metrics = await model.step(rows, { learningRate: 1e-2 });
    assert.ok(Math.abs(metrics.loss - fused.metrics.loss) < 1e-6);
    assert.ok(Math.abs(metrics.gradientNorm - fused.metrics.gradientNorm) < 1e-4);
    assert.ok(apart(await model.read('model.layers.0.mlp.up_proj.weight'), fused.weights) < 1e-4);
  });
});
