/** TensorFlow for Node, in the folder that HOLDFAST_TEST_TENSORFLOW names. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { EngineError } from '../../src/engine/engineError.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { scale } from '../../src/engine/graph/operators/elementwise.ts';
import { sumAll } from '../../src/engine/graph/operators/reduce.ts';
import { gatherRows } from '../../src/engine/graph/operators/rows.ts';
import { broadcastTo } from '../../src/engine/graph/operators/shape.ts';
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

runtimeSuite({ runtime: 'tensorflow' }, runtime);

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

test('a run that fails in the middle says in which operator, and leaves no tensor behind', async () => {
  const graph = new Graph();
  const table = scale(graph.input('x', 'batch', [4, 3]), 2);
  graph.output('rows', gatherRows(table, graph.input('ids', 'batch', [2], 'i32')));
  const program = await runtime.compile(graph);
  const run = (...ids: number[]) =>
    program.run(() => assert.fail('no state'), { x: new Float32Array(12), ids: Int32Array.from(ids) }, {});
  await run(1, 3);
  const held = await tensors();
  await assert.rejects(run(1, 9), /TensorFlow failed in gatherRows: .*9/);
  assert.equal(await tensors(), held);
  await program.close();
});

test('a folder without TensorFlow is told, with the command that sets it up', async () => {
  const missing = await openTensorflow({ threads: 1, folder: '/nowhere' });
  assert.ok(!missing.available);
  assert.match(`${missing.reason}. ${missing.remedy}`, /not in \/nowhere\. Run: holdfast doctor --install tensorflow/);
});

test('a tensor that finds no memory is told as that, with what to lower', async () => {
  const graph = new Graph();
  // More than a process has addresses for.
  const side = 2 ** 23;
  graph.output('sum', sumAll(broadcastTo(graph.input('x', 'batch', [1, 1]), [side, side])));
  const program = await runtime.compile(graph);
  await assert.rejects(
    program.run(() => assert.fail('no state'), { x: Float32Array.of(1) }, {}),
    (error: unknown) =>
      error instanceof EngineError && error.code === 'out-of-memory' && /micro_batch_size/.test(error.remedy ?? ''),
  );
  await program.close();
});
