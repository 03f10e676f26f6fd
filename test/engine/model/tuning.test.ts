import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EngineError } from '../../../src/engine/engineError.ts';
import { firstMoment, secondMoment } from '../../../src/engine/model/adamw.ts';
import { parseModelConfig, readModelConfig } from '../../../src/engine/model/modelConfig.ts';
import { openFreshModel, openTuningModel } from '../../../src/engine/model/openTuningModel.ts';
import { parameterShapes } from '../../../src/engine/model/parameters.ts';
import { accumulator, Programs } from '../../../src/engine/model/programs.ts';
import type { TuningModel } from '../../../src/engine/model/tuningModel.ts';
import { donatedState } from '../../../src/engine/runtime/donation.ts';
import { roundTo } from '../../../src/engine/weights/float.ts';
import { SafetensorsFile, writeSafetensors } from '../../../src/engine/weights/safetensors.ts';
import { fixtureBatch, fixtureFolder, type RecipeParts, recipe, someBatch, withModel } from './tinyLlama.ts';

const folder = await mkdtemp(join(tmpdir(), 'holdfast-model-'));
after(() => rm(folder, { recursive: true }));

async function hashAfterTraining(threads: number, parts: RecipeParts): Promise<string> {
  return withModel({ ...parts, threads }, async model => {
    for (let i = 0; i < 4; i++)
      await model.step([someBatch(i, 8, 32), someBatch(i + 50, 8, 32)], { learningRate: 1e-2 });
    await model.step([someBatch(9, 8, 32)], { learningRate: 1e-2 });
    const hash = createHash('sha256');
    for (const { name } of model.state.entries()) hash.update(name).update(await model.state.read(name));
    return hash.digest('hex');
  });
}

const regularized: RecipeParts = { method: { regularize: { weight: 1 } } };
const adapted: RecipeParts = { adapter: { type: 'lora', r: 4 } };
for (const [title, parts] of Object.entries({ plain: {}, regularized, adapted })) {
  test(`${title} training is the same bit for bit, twice in a row and with 1 or 2 threads`, async () => {
    const first = await hashAfterTraining(1, parts);
    assert.equal(await hashAfterTraining(1, parts), first);
    assert.equal(await hashAfterTraining(2, parts), first);
    assert.equal(await hashAfterTraining(2, parts), first);
  });
}

test('products and sums large enough to be shared among threads give the same bits with 1, 2 and 3', async () => {
  const sizes = { vocab_size: 1024, hidden_size: 192, intermediate_size: 512, num_hidden_layers: 1 };
  const rest = {
    num_attention_heads: 6,
    num_key_value_heads: 3,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
  };
  const hashWith = async (threads: number) => {
    const model = await openFreshModel({ config: { ...sizes, ...rest }, seed: 1, train: recipe().train, threads });
    for (let i = 0; i < 2; i++) await model.step([someBatch(i, 16, 64)], { learningRate: 1e-2 });
    const hash = createHash('sha256');
    for (const { name } of model.state.entries()) hash.update(await model.state.read(name));
    hash.update(await model.score(someBatch(7, 16, 64), 'tuned'));
    await model.close();
    return hash.digest('hex');
  };
  const alone = await hashWith(1);
  assert.equal(await hashWith(2), alone);
  assert.equal(await hashWith(3), alone);
});

test('a checkpoint resumes bit for bit, optimizer and counters included', async () => {
  const parts: RecipeParts = { method: { regularize: { weight: 0.5 } }, train: { weight_decay: 0.1 } };
  const steps = async (model: TuningModel, from: number, to: number) => {
    for (let i = from; i < to; i++) await model.step([someBatch(i)], { learningRate: 1e-2 });
  };
  const straight = await withModel(parts, async model => {
    await steps(model, 0, 6);
    return model.logits(fixtureBatch(), 'tuned');
  });
  const path = join(folder, 'checkpoint');
  await withModel(parts, async model => {
    await steps(model, 0, 3);
    model.state.counters = { row: 24, best: 'general' };
    await model.state.dump(path);
  });
  await withModel(parts, async model => {
    await model.state.load(path);
    assert.deepEqual(model.state.counters, { row: 24, best: 'general' });
    await steps(model, 3, 6);
    assert.deepEqual(await model.logits(fixtureBatch(), 'tuned'), straight);
  });
});

for (const dtype of ['f32', 'f16', 'bf16'] as const) {
  test(`weights saved in ${dtype} are those the model was settled on`, async () => {
    const path = join(folder, `saved-${dtype}`);
    const settled = await withModel({ output: { dtype } }, async model => {
      await model.step([someBatch(1)], { learningRate: 1e-2 });
      const name = 'model.layers.0.mlp.up_proj.weight';
      const before = await model.read(name);
      await model.useSavedPrecision();
      assert.deepEqual(await model.read(name), roundTo(before, dtype));
      await model.save(path, { run: 'r1' });
      return model.logits(fixtureBatch(), 'tuned');
    });
    await withModel({ folder: path }, async model => {
      assert.deepEqual(await model.logits(fixtureBatch(), 'tuned'), settled);
    });
    assert.equal(JSON.parse(await readFile(join(path, 'holdfast.json'), 'utf8')).run, 'r1');
    const names = await readdir(folder);
    assert.ok(names.every(name => !name.endsWith('.tmp')));
  });
}

test('tokenizer files travel with the model', async () => {
  const source = join(folder, 'with-tokenizer');
  await mkdir(source);
  for (const file of ['config.json', 'model.safetensors'])
    await copyFile(join(fixtureFolder('tied'), file), join(source, file));
  await writeFile(join(source, 'tokenizer.json'), '{"a":1}');
  await writeFile(join(source, 'README.md'), 'not copied');
  await withModel({ folder: source }, model => model.save(join(folder, 'travelled'), {}));
  assert.deepEqual((await readdir(join(folder, 'travelled'))).sort(), [
    'config.json',
    'holdfast.json',
    'model.safetensors',
    'tokenizer.json',
  ]);
});

test('a fresh model depends on its seed alone, learns, and has no base', async () => {
  const config = {
    vocab_size: 48,
    hidden_size: 24,
    intermediate_size: 40,
    num_hidden_layers: 2,
    num_attention_heads: 4,
  };
  const open = (seed: number) =>
    openFreshModel({
      config: { ...config, max_position_embeddings: 32, tie_word_embeddings: true },
      seed,
      train: recipe().train,
      threads: 1,
    });
  const [a, b, c] = [await open(1), await open(1), await open(2)];
  const name = 'model.embed_tokens.weight';
  assert.deepEqual(await a.read(name), await b.read(name));
  assert.notDeepEqual(await a.read(name), await c.read(name));
  const losses: number[] = [];
  for (let i = 0; i < 60; i++) losses.push((await a.step([someBatch(1)], { learningRate: 1e-2 })).loss);
  assert.ok(Math.abs(losses[0]! - Math.log(48)) < 0.2);
  assert.ok(losses.at(-1)! < 0.5);
  await assert.rejects(a.score(someBatch(1), 'base'), /no base/);
  for (const model of [a, b, c]) await model.close();
});

test('a model opened for scoring holds its weights once and cannot be trained', async () => {
  const options = { folder: fixtureFolder('tied'), recipe: recipe(), threads: 1 };
  const [tuned, scored] = [await openTuningModel(options), await openTuningModel({ ...options, purpose: 'score' })];
  assert.equal(scored.state.bytes, 4 * scored.parameters);
  assert.deepEqual(await scored.score(someBatch(1), 'tuned'), await tuned.score(someBatch(1), 'base'));
  await assert.rejects(scored.step([someBatch(1)], { learningRate: 1 }), /opened for scoring/);
  for (const model of [tuned, scored]) await model.close();
});

test('batches that the model cannot take are refused by their numbers', async () => {
  await withModel({}, async model => {
    const outside = someBatch(1);
    outside.ids[3] = 48;
    await assert.rejects(
      model.step([outside], { learningRate: 1 }),
      /Token 48 is outside the model's vocabulary of 48/,
    );
    await assert.rejects(model.score(someBatch(1, 1, 40), 'tuned'), /Rows of 40 tokens; the model takes 32/);
    const silent = someBatch(1);
    silent.labels.fill(-100);
    await assert.rejects(model.step([silent], { learningRate: 1 }), /has a token to learn from/);
  });
});

const config = JSON.parse(await readFile(join(fixtureFolder('tied'), 'config.json'), 'utf8'));
const refused: [string, Record<string, unknown>, RegExp][] = [
  ['another architecture', { architectures: ['GPT2LMHeadModel'] }, /architecture GPT2LMHeadModel is not supported/],
  ['unknown RoPE scaling', { rope_parameters: { rope_type: 'longrope', rope_theta: 1e4 } }, /RoPE scaling "longrope"/],
  ['older unknown RoPE scaling', { rope_scaling: { type: 'dynamic', factor: 2 } }, /RoPE scaling "dynamic"/],
  ['half a RoPE scaling', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, /"llama3" lacks one of its numbers/],
  ['RoPE on a part', { rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } }, /a part of each head/],
  ['layers that slide', { layer_types: ['full_attention', 'sliding_attention'] }, /sliding/],
  ['another activation', { hidden_act: 'gelu' }, /activation gelu/],
  ['quantized weights', { quantization_config: { bits: 4 } }, /quantized/],
  ['a sliding window', { sliding_window: 4096 }, /sliding-window/],
  ['heads that do not divide', { num_key_value_heads: 3 }, /do not divide evenly/],
  ['a missing size', { hidden_size: undefined }, /hidden_size/],
];
for (const [title, change, message] of refused) {
  test(`config.json with ${title} is refused`, () => {
    assert.throws(
      () => parseModelConfig({ ...config, ...change }),
      (error: unknown) => error instanceof EngineError && message.test(error.message),
    );
  });
}

async function damagedModel(
  name: string,
  change: (tensors: Map<string, { shape: number[]; values: Float32Array }>) => void,
) {
  const path = join(folder, name);
  await mkdir(path);
  await copyFile(join(fixtureFolder('tied'), 'config.json'), join(path, 'config.json'));
  const file = await SafetensorsFile.open(join(fixtureFolder('tied'), 'model.safetensors'));
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [tensor, { shape }] of file.tensors) tensors.set(tensor, { shape, values: await file.read(tensor) });
  await file.close();
  change(tensors);
  const infos = [...tensors].map(([tensor, { shape }]) => ({ name: tensor, shape, dtype: 'f32' as const }));
  await writeSafetensors(join(path, 'model.safetensors'), infos, tensor => tensors.get(tensor)!.values);
  return path;
}
const norm = 'model.norm.weight';
const damages: [string, Parameters<typeof damagedModel>[1], RegExp][] = [
  ['a missing tensor', tensors => tensors.delete(norm), /model.norm.weight is missing/],
  [
    'a wrong shape',
    tensors => tensors.set(norm, { shape: [23], values: new Float32Array(23) }),
    /has shape \[23\], config.json asks for \[24\]/,
  ],
  ['a NaN', tensors => tensors.get(norm)!.values.fill(Number.NaN, 3, 4), /model.norm.weight holds NaN at element 3/],
  ['an unknown tensor', tensors => tensors.set('x.bias', { shape: [1], values: new Float32Array(1) }), /hold x.bias/],
];
for (const [title, change, message] of damages) {
  test(`weights with ${title} are refused by name`, async () => {
    const path = await damagedModel(title.replaceAll(' ', '-'), change);
    await assert.rejects(
      withModel({ folder: path }, async () => {}),
      (error: unknown) => error instanceof EngineError && message.test(error.message),
    );
  });
}

test('every weight and moment is overwritten in place by a step, so that state is held once', async () => {
  const { config } = await readModelConfig(fixtureFolder('tied'));
  const shapes = parameterShapes(config);
  const trained = [...shapes.keys()];
  const settings = { config, plan: { trained }, separateBase: new Set<string>(), adam: recipe().train };
  const programs = new Programs({
    ...settings,
    isMerged: () => false,
    shapeOf: name => shapes.get(name.replace(/^(adam\.\w+|gradient)\//, ''))!,
  });
  const expected = trained.flatMap(name => [name, firstMoment(name), secondMoment(name)]).sort();
  for (const graph of [programs.step({ rows: 2, length: 8 }), programs.update()]) {
    assert.deepEqual([...donatedState(graph)].sort(), expected);
  }
  const accumulators = [...donatedState(programs.gradient({ rows: 2, length: 8 }, 'objective'))];
  assert.deepEqual(accumulators.sort(), trained.map(accumulator).sort());
});

test('what only the checks before the first step need is given back with it, and comes again where a step accumulates', async () => {
  await withModel({}, async model => {
    const accumulators = () => model.state.entries('accumulator').length;
    const batch = someBatch(1);
    await model.probe([batch]);
    assert.ok(accumulators() > 0);
    await model.step([batch], { learningRate: 1e-3 });
    assert.equal(accumulators(), 0);
    await model.step([batch, someBatch(2)], { learningRate: 1e-3 });
    assert.ok(accumulators() > 0);
  });
});
