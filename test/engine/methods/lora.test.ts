import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loraTensors, planLora } from '../../../src/engine/methods/lora.ts';
import { readModelConfig } from '../../../src/engine/model/modelConfig.ts';
import { parameterShapes } from '../../../src/engine/model/parameters.ts';
import { SafetensorsFile } from '../../../src/engine/weights/safetensors.ts';
import { allWeights, fixtureBatch, fixtureFolder, someBatch, withModel } from '../model/tinyLlama.ts';

const adapter = {
  type: 'lora' as const,
  r: 4,
  alpha: 8,
  output: 'adapter' as const,
  target_modules: ['q_proj', 'v_proj', 'down_proj'],
};
const all = {
  ...adapter,
  target_modules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
};

const apart = (a: Float32Array, b: Float32Array) => a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);

test('a fresh adapter changes no logit', async () => {
  await withModel({ adapter: all }, async model => {
    const batch = fixtureBatch();
    assert.deepEqual(await model.logits(batch, 'tuned'), await model.logits(batch, 'base'));
  });
});

test('A is uniform within ±1/√in and differs by map and seed; B is zero', async () => {
  const shapes = parameterShapes((await readModelConfig(fixtureFolder('tied'))).config);
  const plan = planLora(adapter, shapes, [...shapes.keys()]);
  const [first, second] = [loraTensors(plan, shapes, 1), loraTensors(plan, shapes, 2)];
  assert.deepEqual(first, loraTensors(plan, shapes, 1));
  assert.notDeepEqual(first[0]!.initial, second[0]!.initial);
  assert.notDeepEqual(first[0]!.initial, first[2]!.initial);
  const a = first[0]!.initial;
  const bound = 1 / Math.sqrt(24);
  assert.ok(a.every(x => Math.abs(x) <= bound));
  const spread = Math.sqrt(a.reduce((sum, x) => sum + x * x, 0) / a.length);
  assert.ok(Math.abs(spread / (bound / Math.sqrt(3)) - 1) < 0.2);
  assert.ok(first.filter(({ name }) => name.includes('lora_B')).every(({ initial }) => initial.every(x => x === 0)));
});

test('only the adapter trains; with the adapter off the model is the base, bit for bit', async () => {
  const untouched = await withModel({}, model => model.logits(fixtureBatch(), 'base'));
  await withModel({ adapter, train: { weight_decay: 0.1 } }, async model => {
    const before = await allWeights(model);
    for (let i = 0; i < 5; i++) await model.step([someBatch(i)], { learningRate: 1e-2 });
    const after = await allWeights(model);
    for (const [name, values] of before) {
      assert.equal(
        values.every((x, i) => Object.is(x, after.get(name)![i])),
        !name.includes('lora_'),
        name,
      );
    }
    assert.equal(model.trainedParameters, 2 * (4 * (24 + 24) + 4 * (24 + 12) + 4 * (40 + 24)));
    assert.deepEqual(await model.logits(fixtureBatch(), 'base'), untouched);
    assert.ok(apart(await model.logits(fixtureBatch(), 'tuned'), untouched) > 1e-3);
  });
});

test('the adapter merged into the weights gives the logits of the adapter beside them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-lora-'));
  const logits = await withModel({ adapter: { ...all, output: 'merged' } }, async model => {
    for (let i = 0; i < 5; i++) await model.step([someBatch(i)], { learningRate: 1e-2 });
    const beside = await model.logits(fixtureBatch(), 'tuned');
    await model.useSavedPrecision();
    const merged = await model.logits(fixtureBatch(), 'tuned');
    assert.ok(apart(beside, merged) < 1e-4);
    await model.save(join(folder, 'merged'), { run: 'test' });
    await assert.rejects(model.step([someBatch(9)], { learningRate: 1e-2 }), /no step can follow/);
    return merged;
  });
  await withModel({ folder: join(folder, 'merged') }, async model => {
    assert.deepEqual(await model.logits(fixtureBatch(), 'tuned'), logits);
  });
  await rm(folder, { recursive: true });
});

test('an adapter folder carries the names PEFT loads and the settings it needs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-lora-'));
  await withModel({ adapter, method: { narrow: { tune: [{ last_layers: 1 }] } } }, async model => {
    await model.step([someBatch(1)], { learningRate: 1e-2 });
    await model.save(join(folder, 'adapter'), { run: 'test' });
    const file = await SafetensorsFile.open(join(folder, 'adapter', 'adapter_model.safetensors'));
    const name = 'base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight';
    assert.equal(file.tensors.size, 6);
    assert.deepEqual(await file.read(name), await model.read('model.layers.1.self_attn.q_proj.lora_A.weight'));
    await file.close();
    const config = JSON.parse(await readFile(join(folder, 'adapter', 'adapter_config.json'), 'utf8'));
    assert.equal(config.lora_alpha, 8);
    assert.deepEqual(config.target_modules, [
      'model.layers.1.self_attn.q_proj',
      'model.layers.1.self_attn.v_proj',
      'model.layers.1.mlp.down_proj',
    ]);
  });
  await rm(folder, { recursive: true });
});

test('an adapter target that the model does not have is refused with the nearest one', async () => {
  await assert.rejects(
    withModel({ adapter: { ...adapter, target_modules: ['qproj'] } }, async () => {}),
    (error: Error & { remedy?: string }) =>
      /no linear map "qproj"/.test(error.message) && /"q_proj"/.test(error.remedy!),
  );
});
