import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Graph, type Tensor } from '../../../src/engine/graph/graph.ts';
import { interpret } from '../../../src/engine/graph/interpreter.ts';
import { matmul } from '../../../src/engine/graph/operators/matmul.ts';
import { narrowedNames, type TuneEntry } from '../../../src/engine/methods/narrow.ts';
import { swiGlu } from '../../../src/engine/model/layers.ts';
import { parseModelConfig } from '../../../src/engine/model/modelConfig.ts';
import { openFreshModel } from '../../../src/engine/model/openTuningModel.ts';
import { parameterShapes } from '../../../src/engine/model/parameters.ts';
import type { TuningModel } from '../../../src/engine/model/tuningModel.ts';
import { planTuning } from '../../../src/engine/model/tuningPlan.ts';
import { allWeights, recipe, someBatch, withModel } from '../model/tinyLlama.ts';

const config = (tied: boolean) =>
  parseModelConfig({
    vocab_size: 48,
    hidden_size: 24,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 40,
    max_position_embeddings: 32,
    tie_word_embeddings: tied,
  });
const names = [...parameterShapes(config(true)).keys()];
const untiedNames = [...parameterShapes(config(false)).keys()];
const modules = (chosen: string[]) => [...new Set(chosen.map(name => name.split('.').at(-2)))];

test('attention is the four projections of every layer', () => {
  const chosen = narrowedNames(names, ['attention']);
  assert.deepEqual(modules(chosen), ['q_proj', 'k_proj', 'v_proj', 'o_proj']);
  assert.equal(chosen.length, 4 * 3);
});

test('entries unite: module names and the last layers', () => {
  const chosen = narrowedNames(names, ['up_proj', { last_layers: 1 }]);
  assert.equal(chosen.length, 2 + 9);
  assert.ok(chosen.includes('model.layers.2.input_layernorm.weight'));
  assert.ok(!chosen.includes('model.norm.weight'));
});

test('a tied head is the embedding, an untied one its own tensor', () => {
  assert.deepEqual(narrowedNames(names, ['lm_head']), ['model.embed_tokens.weight']);
  assert.deepEqual(narrowedNames(untiedNames, ['lm_head']), ['lm_head.weight']);
});

test('an unknown module is refused with the nearest one', () => {
  assert.throws(() => narrowedNames(names, ['gate_porj']), /no module "gate_porj"/);
  try {
    narrowedNames(names, ['gate_porj']);
  } catch (error) {
    assert.match((error as { remedy: string }).remedy, /Did you mean "gate_proj"/);
  }
  assert.throws(() => narrowedNames(names, [{ last_layers: 4 }]), /the model has 3/);
});

test('the trained share of attention is 2d² + 2d·d_kv a layer', async () => {
  await withModel({ method: { narrow: { tune: ['attention'] } } }, async model => {
    assert.equal(model.trainedParameters, 2 * (2 * 24 * 24 + 2 * 24 * 12));
  });
});

test('narrow restricts where adapters sit; nothing in common is refused', () => {
  const shapes = parameterShapes(config(true));
  const adapter = { type: 'lora' as const, r: 2, alpha: 4, target_modules: ['q_proj', 'up_proj'] };
  const plan = planTuning(recipe({ adapter, method: { narrow: { tune: [{ last_layers: 1 }] } } }), shapes);
  assert.deepEqual(plan.adapter?.modules, ['model.layers.2.self_attn.q_proj', 'model.layers.2.mlp.up_proj']);
  const disjoint = recipe({ adapter, method: { narrow: { tune: ['o_proj'] } } });
  assert.throws(() => planTuning(disjoint, shapes), /no map in common/);
});

const cases: TuneEntry[][] = [['attention'], ['gate_proj', 'up_proj'], ['down_proj'], [{ last_layers: 1 }]];
for (const tune of cases) {
  test(`after 10 steps with decay only ${JSON.stringify(tune)} has moved`, async () => {
    await withModel({ method: { narrow: { tune } }, train: { weight_decay: 0.1 } }, async model => {
      const before = await allWeights(model);
      for (let i = 0; i < 10; i++) await model.step([someBatch(i)], { learningRate: 1e-2 });
      const after = await allWeights(model);
      const trained = new Set(model.trainedNames);
      for (const [name, values] of before) {
        const isEqual = values.every((value, i) => Object.is(value, after.get(name)![i]));
        assert.equal(isEqual, !trained.has(name), name);
      }
      const slots = model.state.entries('slot').length;
      assert.equal(slots, 2 * trained.size);
    });
  });
}

test('with a frozen down_proj the change of the MLP stays in its column space', async () => {
  const [width, inner] = [12, 8];
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-narrow-'));
  const shape = { vocab_size: 48, hidden_size: width, intermediate_size: inner, num_hidden_layers: 1 };
  const rest = {
    num_attention_heads: 2,
    max_position_embeddings: 32,
    tie_word_embeddings: true,
    initializer_range: 0.3,
  };
  const fresh = await openFreshModel({ config: { ...shape, ...rest }, seed: 5, train: recipe().train, threads: 1 });
  await fresh.save(join(folder, 'base'), {});
  await fresh.close();

  await withModel(
    { folder: join(folder, 'base'), method: { narrow: { tune: ['gate_proj', 'up_proj'] } } },
    async model => {
      const x = Float32Array.from({ length: width }, (_, i) => Math.sin(i + 1));
      const before = await feedForward(model, x, inner);
      for (let i = 0; i < 5; i++) await model.step([someBatch(i)], { learningRate: 3e-2 });
      const after = await feedForward(model, x, inner);
      const change = after.map((y, i) => y - before[i]!);
      const down = await model.read('model.layers.0.mlp.down_proj.weight');
      const columns = Array.from({ length: inner }, (_, j) =>
        Array.from({ length: width }, (_, i) => down[i * inner + j]!),
      );
      assert.ok(Math.hypot(...change) > 1e-2);
      const outside = withoutSpan([...change], columns);
      assert.ok(Math.hypot(...outside) < 1e-6 * Math.hypot(...change));
    },
  );
  await rm(folder, { recursive: true });
});

/** The first layer's MLP on one vector, in f64. */
async function feedForward(model: TuningModel, x: Float32Array, inner: number): Promise<Float64Array> {
  const graph = new Graph();
  const weight = async (name: string, rows: number, columns: number) =>
    graph.constant(await model.read(`model.layers.0.mlp.${name}.weight`), [rows, columns]);
  const [gate, up] = [await weight('gate_proj', inner, x.length), await weight('up_proj', inner, x.length)];
  const input = graph.constant(x, [1, x.length]);
  const linear = (v: Tensor, w: Tensor) => matmul(v, w, { transposeB: true });
  graph.output('y', linear(swiGlu(linear(input, gate), linear(input, up)), await weight('down_proj', x.length, inner)));
  return interpret(graph, {}).outputs.get('y')!;
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** The part of v that no combination of the vectors reaches (Gram-Schmidt, twice for accuracy). */
function withoutSpan(v: number[], vectors: readonly number[][]): number[] {
  const basis: number[][] = [];
  const reduced = (u: readonly number[]) => {
    let result = [...u];
    for (let pass = 0; pass < 2; pass++)
      for (const b of basis) result = result.map((x, i) => x - dot(result, b) * b[i]!);
    return result;
  };
  for (const vector of vectors) {
    const rest = reduced(vector);
    const norm = Math.hypot(...rest);
    if (norm > 1e-9) basis.push(rest.map(x => x / norm));
  }
  return reduced(v);
}
