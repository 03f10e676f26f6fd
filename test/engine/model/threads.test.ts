/** A machine with more cores, or a container with fewer, trains the same model from the same recipe. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Batch } from '../../../src/engine/batch.ts';
import { openFreshModel } from '../../../src/engine/model/openTuningModel.ts';
import { uniform } from '../../domain/randomValues.ts';

/** Wide enough that sums are made in blocks, and narrow enough that threads get few columns each. */
const config = {
  vocab_size: 300,
  hidden_size: 160,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 400,
  max_position_embeddings: 128,
  tie_word_embeddings: true,
};
const train = { weight_decay: 0.01, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, max_grad_norm: 1 };
const models = await Promise.all([1, 2, 3].map(threads => openFreshModel({ config, seed: 1, train, threads })));
after(() => Promise.all(models.map(model => model.close())));

for (const [rows, length] of [
  [1, 16],
  [3, 16],
  [2, 64],
  [3, 96],
] as const) {
  test(`steps on ${rows} rows of ${length} tokens give the same bits with 1, 2 and 3 threads`, async () => {
    const batch = randomBatch(rows, length);
    const [one, ...more] = await Promise.all(
      models.map(async model => {
        for (let step = 0; step < 2; step++) await model.step([batch], { learningRate: 1e-3 });
        return bits(await model.score(batch, 'tuned'));
      }),
    );
    for (const other of more) assert.deepEqual(other, one);
  });
}

const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.slice().buffer);

function randomBatch(rows: number, length: number): Batch {
  const tokens = rows * length;
  const words = (from: number) =>
    Int32Array.from({ length: tokens }, (_, i) => Math.floor(uniform(3, from + i) * config.vocab_size));
  return {
    rows,
    length,
    ids: words(0),
    labels: words(tokens),
    positions: Int32Array.from({ length: tokens }, (_, i) => i % length),
    segments: new Int32Array(tokens).fill(1),
    kinds: new Uint8Array(rows),
  };
}
