import assert from 'node:assert/strict';
import { test } from 'node:test';
import { divergenceRatios, regularizedMask } from '../../../src/engine/methods/regularize.ts';
import { accumulator } from '../../../src/engine/model/programs.ts';
import type { TuningModel } from '../../../src/engine/model/tuningModel.ts';
import { allWeights, type RecipeParts, someBatch, withModel } from '../model/tinyLlama.ts';

const adapter = { type: 'lora' as const, r: 2, target_modules: ['q_proj', 'up_proj'] };
const both: ('task' | 'replay')[] = ['task', 'replay'];
const mixed = (seed: number) => someBatch(seed, 4, 8, [0, 0, 0, 1]);

async function tuned(
  parts: RecipeParts,
  steps = 4,
): Promise<{ weights: Map<string, Float32Array>; objective: number }> {
  return withModel(parts, async model => {
    let objective = 0;
    for (let i = 0; i < steps; i++) objective = (await model.step([mixed(i)], { learningRate: 1e-2 })).objective;
    return { weights: await allWeights(model), objective };
  });
}

for (const direction of ['forward', 'reverse'] as const) {
  for (const temperature of [1, 2]) {
    for (const parts of [{}, { adapter }, { method: { narrow: { tune: ['mlp'] } } }] as RecipeParts[]) {
      const title = parts.adapter ? 'an adapter' : parts.method ? 'narrow tuning' : 'all weights';
      test(`${direction} KL at T = ${temperature} with ${title} starts at 0 and pulls nowhere`, async () => {
        const method = { ...parts.method, regularize: { direction, temperature, on: both } };
        await withModel({ ...parts, method }, async model => {
          const probed = await model.probe([mixed(1)]);
          assert.ok(Math.abs(probed.penalties['penalty.kl']!) < 1e-6);
          assert.ok(probed.penaltyGradientNorm < 1e-5);
          assert.ok(probed.gradientNorm > 1e-2);
        });
      });
    }
  }
}

test('weight 0 is plain tuning, bit for bit', async () => {
  const [plain, zero] = [await tuned({}), await tuned({ method: { regularize: { weight: 0 } } })];
  assert.deepEqual(zero.weights, plain.weights);
});

test('a large weight holds the model at the base', async () => {
  const distance = (weight: number) =>
    withModel({ method: { regularize: { weight } } }, async model => {
      for (let i = 0; i < 30; i++) await model.step([someBatch(i % 3)], { learningRate: 2e-3 });
      const divergence = await model.divergence(someBatch(3));
      return divergence.reduce((a, b) => a + b, 0) / divergence.length;
    });
  const [free, held] = [await distance(0), await distance(30)];
  assert.ok(held < free / 10, `${held} is not far below ${free}`);
});

for (const parts of [{}, { adapter }, { method: { narrow: { tune: ['attention'] } } }] as RecipeParts[]) {
  test(`teachers copy and swap give the same training (${JSON.stringify(parts)})`, async () => {
    const withTeacher = (teacher: 'copy' | 'swap') =>
      tuned({ ...parts, method: { ...parts.method, regularize: { weight: 1, teacher } } });
    const [copy, swap] = [await withTeacher('copy'), await withTeacher('swap')];
    assert.ok(Math.abs(copy.objective - swap.objective) < 1e-5);
    assert.deepEqual(swap.weights, copy.weights);
  });
}

test('a penalty on replay rows alone is refused where nothing is replayed', async () => {
  await assert.rejects(
    withModel({ method: { regularize: { on: ['replay'] } } }, async () => {}),
    /nothing is replayed/,
  );
});

test('the teacher is chosen with a reason', async () => {
  await withModel({ adapter, method: { regularize: {} } }, async model => {
    assert.equal(model.teacher?.teacher, 'swap');
    assert.match(model.teacher!.reason, /adapter off/);
  });
});

test('the penalty is the mean KL over the chosen rows, with its weight and T² in the objective', async () => {
  const regularize = { weight: 0.7, temperature: 2, on: ['replay'] as 'replay'[] };
  await withModel({ method: { regularize, replay: { data: 'old.txt' } } }, async model => {
    for (let i = 0; i < 3; i++) await model.step([mixed(i)], { learningRate: 1e-2 });
    const { objective, loss, replayLoss, penalties } = await model.probe([mixed(7)]);
    const crossEntropy = (3 * loss + replayLoss!) / 4;
    assert.ok(penalties['penalty.kl']! > 1e-4);
    assert.ok(Math.abs(objective - (crossEntropy + 0.7 * 4 * penalties['penalty.kl']!)) < 1e-6);
  });
});

test('the penalty does not change when the step is cut into micro-batches', async () => {
  const method = { regularize: { weight: 2, on: ['task'] as 'task'[] } };
  await withModel({ method }, async model => {
    await model.step([mixed(1)], { learningRate: 1e-2 });
    const whole = await model.probe([mixed(2)]);
    const { ids, labels, positions, segments, kinds, length } = mixed(2);
    const part = (from: number, to: number) => ({
      rows: to - from,
      length,
      ids: ids.slice(from * length, to * length),
      labels: labels.slice(from * length, to * length),
      positions: positions.slice(from * length, to * length),
      segments: segments.slice(from * length, to * length),
      kinds: kinds.slice(from, to),
    });
    const cut = await model.probe([part(0, 1), part(1, 4)]);
    assert.ok(Math.abs(whole.objective - cut.objective) < 1e-5);
    assert.ok(Math.abs(whole.gradientNorm / cut.gradientNorm - 1) < 1e-4);
    assert.ok(Math.abs(whole.penaltyGradientNorm / cut.penaltyGradientNorm - 1) < 1e-4);
  });
});

test('rows that are not chosen, and tokens without a label, are not counted', () => {
  const batch = mixed(1);
  batch.labels.fill(-100, 0, 8);
  const settings = {
    kind: 'kl',
    weight: 0.5,
    on: ['task'],
    teacher: 'auto',
    direction: 'forward',
    temperature: 2,
  } as const;
  const mask = regularizedMask(batch, { ...settings, on: ['task'] });
  assert.deepEqual([...mask], [...new Array(8).fill(0), ...new Array(16).fill(1), ...new Array(8).fill(0)]);
  const ratios = divergenceRatios(batch, { ...settings, on: ['task'] }, { targets: 24, regularized: 16 });
  assert.equal(ratios[8], 0.5 * 4 * 1.5);
  assert.equal(ratios[0], 0);
});

/** Slope of f along the gradient that it leaves in the accumulator, and that gradient's norm: they must be equal. */
async function slopeAlongGradient(
  model: TuningModel,
  name: string,
  f: () => Promise<number>,
): Promise<[number, number]> {
  await f();
  const gradient = await model.state.read(accumulator(name));
  const norm = Math.hypot(...gradient);
  const start = await model.read(name);
  const at = async (distance: number) => {
    await model.state.write(
      name,
      start.map((x, i) => x + (distance * gradient[i]!) / norm),
    );
    return f();
  };
  const h = 0.02;
  const slope = (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
  await model.state.write(name, start);
  return [slope, norm];
}

test('the gradient of the whole objective agrees with finite differences', async () => {
  const regularize = { weight: 0.8, temperature: 2, direction: 'reverse' as const, on: both };
  await withModel({ method: { regularize } }, async model => {
    for (let i = 0; i < 3; i++) await model.step([mixed(i)], { learningRate: 1e-2 });
    // A rate of 0 moves nothing; two micro-batches leave their gradient in the accumulators.
    const objective = async () => (await model.step([mixed(5), mixed(6)], { learningRate: 0 })).objective;
    for (const name of ['model.embed_tokens.weight', 'model.layers.0.self_attn.k_proj.weight', 'model.norm.weight']) {
      const [slope, norm] = await slopeAlongGradient(model, name, objective);
      assert.ok(Math.abs(slope / norm - 1) < 5e-3, `${name}: ${slope} is not ${norm}`);
    }
  });
});
