import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decoding } from '../../../src/engine/model/decoding.ts';
import type { TuningModel } from '../../../src/engine/model/tuningModel.ts';
import { batchOf, fixtureNames, someBatch, withModel } from './tinyLlama.ts';

const vocabulary = 48;
const apart = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
const rowsOf = (seed: number, rows: number, length: number): number[][] => {
  const { ids } = someBatch(seed, rows, length);
  return Array.from({ length: rows }, (_, b) => [...ids.subarray(b * length, (b + 1) * length)]);
};
/** Logits of one text behind each of its tokens, by the graph that trains. */
async function logitsOf(model: TuningModel, text: number[], weights: 'tuned' | 'base' = 'tuned'): Promise<number[][]> {
  const all = await model.logits(batchOf([text], [text.map(() => -100)]), weights);
  return text.map((_, t) => [...all.subarray(t * vocabulary, (t + 1) * vocabulary)]);
}
const rowOf = (logits_BV: Float32Array, row: number) => logits_BV.subarray(row * vocabulary, (row + 1) * vocabulary);

async function decoding<T>(model: TuningModel, length: number, rows: number, use: (open: Decoding) => Promise<T>) {
  const open = model.decoding({ rows, length }, 'tuned');
  try {
    return await use(open);
  } finally {
    open.close();
  }
}

for (const name of fixtureNames) {
  test(`${name}: texts that grow token by token get the logits of the graph that trains`, async () => {
    await withModel({ name }, async model => {
      const texts = rowsOf(3, 3, 12);
      const prompts = [5, 1, 8];
      const expected = await Promise.all(texts.map(text => logitsOf(model, text)));
      await decoding(model, 12, 3, async open => {
        let found = await open.begin(texts.map((text, row) => text.slice(0, prompts[row])));
        for (let i = 0; i < 4; i++) {
          for (const row of texts.keys()) {
            const difference = apart(rowOf(found, row), expected[row]![prompts[row]! - 1 + i]!);
            assert.ok(difference < 1e-4, `row ${row}, token ${i}: ${difference} apart`);
          }
          found = await open.next(texts.map((text, row) => ({ id: text[prompts[row]! + i]! })));
        }
      });
    });
  });
}

test('a text that begins behind another in its row sees nothing of it', async () => {
  await withModel({}, async model => {
    const [first, second] = rowsOf(5, 2, 4) as [number[], number[]];
    const expected = await logitsOf(model, second);
    await decoding(model, 8, 1, async open => {
      for (const [i, id] of first.entries()) await open.next([{ id, begins: i === 0 }]);
      for (const [i, id] of second.entries()) {
        const found = await open.next([{ id, begins: i === 0 }]);
        assert.ok(apart(found, expected[i]!) < 1e-4, `token ${i}`);
      }
    });
  });
});

test('a row that is done does not move the others', async () => {
  await withModel({}, async model => {
    const [a, b] = rowsOf(7, 2, 6) as [number[], number[]];
    const expected = await logitsOf(model, b);
    await decoding(model, 6, 2, async open => {
      await open.begin([a.slice(0, 2), b.slice(0, 2)]);
      for (let i = 2; i < 6; i++)
        assert.ok(apart(rowOf(await open.next([null, { id: b[i]! }]), 1), expected[i]!) < 1e-4);
    });
  });
});

test('the base writes as it did before training, also where the tuned model has moved', async () => {
  await withModel({ train: { learning_rate: 0.05 } }, async model => {
    const [text] = rowsOf(9, 1, 5) as [number[]];
    const before = await logitsOf(model, text, 'base');
    for (let i = 0; i < 3; i++) await model.step([someBatch(1)], { learningRate: 0.05 });
    const last = async (weights: 'base' | 'tuned'): Promise<Float32Array> => {
      const open = model.decoding({ rows: 1, length: 5 }, weights);
      const found = await open.begin([text]);
      open.close();
      return found;
    };
    assert.ok(apart(await last('base'), before[4]!) < 1e-4);
    assert.ok(apart(await last('tuned'), before[4]!) > 1e-2);
  });
});

test('a row takes no token beyond its columns and none outside the vocabulary', async () => {
  await withModel({}, async model => {
    await decoding(model, 2, 1, async open => {
      await open.begin([[1, 2]]);
      await assert.rejects(async () => open.next([{ id: 1 }]), { code: 'sequence-too-long' });
    });
    await decoding(model, 2, 1, async open => {
      await assert.rejects(async () => open.next([{ id: vocabulary, begins: true }]), { code: 'token-out-of-range' });
    });
  });
});
