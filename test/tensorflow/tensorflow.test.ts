/** TensorFlow for Node, in the folder that HOLDFAST_TEST_TENSORFLOW names. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openTensorflow } from '../../src/engine/runtime/tensorflow/openTensorflow.ts';
import { loadTfjs } from '../../src/engine/runtime/tensorflow/tfjs.ts';
import { tensorflowFolder } from '../../src/runs/tensorflow/tensorflowFolder.ts';
import { count } from '../counts.ts';
import { type RecipeParts, someBatch, withModel } from '../engine/model/tinyLlama.ts';
import { runtimeSuite } from '../engine/runtime/runtimeSuite.ts';

process.env.HOLDFAST_TENSORFLOW = process.env.HOLDFAST_TEST_TENSORFLOW;
const opened = await openTensorflow({ threads: 2 });
assert.ok(opened.available, opened.available ? '' : opened.reason);
const { runtime } = opened;
after(() => runtime.close());

runtimeSuite('tensorflow', runtime);

const tensors = async () => (await loadTfjs(tensorflowFolder(), 2)).memory().numTensors;

const steps = count(1000, 20_000);
const recipes: Record<string, RecipeParts> = {
  'every weight and a regularizer': { method: { regularize: { weight: 0.5 } } },
  'an adapter': { adapter: { type: 'lora', r: 4 } },
};
for (const [title, parts] of Object.entries(recipes)) {
  test(`${steps} steps of ${title} leave no tensor behind, and a closed model none at all`, async () => {
    const before = await tensors();
    await withModel({ ...parts, runtime: 'tensorflow' }, async model => {
      const step = async (i: number) => {
        await model.step([someBatch(i)], { learningRate: 1e-3 });
        await model.score(someBatch(i), 'base');
      };
      await step(0);
      const held = await tensors();
      for (let i = 1; i <= steps / 2; i++) await step(i);
      assert.equal(await tensors(), held);
      for (let i = 1; i <= steps / 2; i++) await step(i);
      assert.equal(await tensors(), held);
    });
    assert.equal(await tensors(), before);
  });
}

test('a step that fails leaves no tensor behind', async () => {
  await withModel({ runtime: 'tensorflow' }, async model => {
    await model.step([someBatch(1)], { learningRate: 1e-3 });
    const held = await tensors();
    const batch = someBatch(2);
    batch.ids[3] = 1_000_000;
    await assert.rejects(model.step([batch], { learningRate: 1e-3 }));
    assert.equal(await tensors(), held);
  });
});

test('a folder without TensorFlow is told, with the command that sets it up', async () => {
  const missing = await openTensorflow({ threads: 1, folder: '/nowhere' });
  assert.ok(!missing.available);
  assert.match(`${missing.reason}. ${missing.remedy}`, /not in \/nowhere\. Run: holdfast doctor --install tensorflow/);
});
