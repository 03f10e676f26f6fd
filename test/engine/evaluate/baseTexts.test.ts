import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { pairedBootstrap } from '../../../src/domain/statistics.ts';
import { makeBatch, taskKind } from '../../../src/engine/data/rows.ts';
import { type BaseTexts, baseTextsOf, knownBaseTexts, writeBaseTexts } from '../../../src/engine/evaluate/baseTexts.ts';
import type { OpenDecoding } from '../../../src/engine/evaluate/generate.ts';
import type { EncodedItem } from '../../../src/engine/evaluate/itemScores.ts';
import { scoreItems } from '../../../src/engine/evaluate/itemScores.ts';
import { divergenceOfLogits } from '../../../src/engine/evaluate/modelPair.ts';
import { openTuningModel } from '../../../src/engine/model/openTuningModel.ts';
import type { TuningModel } from '../../../src/engine/model/tuningModel.ts';
import { loadTokenizer, type Tokenizer } from '../../../src/engine/tokenizer/tokenizer.ts';
import { recipe, someBatch } from '../model/tinyLlama.ts';
import { makeTinyModel, tokenizerFolder } from '../support/tinyRun.ts';

let tokenizer: Tokenizer;
let folder: string;
before(async () => {
  tokenizer = await loadTokenizer(tokenizerFolder);
  folder = await mkdtemp(join(tmpdir(), 'holdfast-base-texts-'));
  await makeTinyModel(join(folder, 'model'));
});

const wanted = (items: number, tokens: number): BaseTexts =>
  baseTextsOf({ items, tokens }, { max_length: 64 }, tokenizer, 'some-base', folder);

async function withTiny<T>(use: (model: TuningModel) => Promise<T>): Promise<T> {
  const model = await openTuningModel({ folder: join(folder, 'model'), recipe: recipe(), threads: 1 });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

/** Mean over the items of KL(base ‖ tuned) a token, from the whole distributions that both models give behind each. */
async function divergenceOn(items: EncodedItem[], model: TuningModel): Promise<number> {
  const sequences = items.flatMap((item, i) => item.sequences.map(sequence => ({ sequence, i })));
  const sums = items.map(() => 0);
  for (let from = 0; from < sequences.length; from += 20) {
    const block = sequences.slice(from, from + 20);
    const rows = block.map(({ sequence }) => [sequence]);
    const batch = makeBatch(rows, taskKind, { rows: 20, maxLength: 32 });
    const divergence = divergenceOfLogits(batch, await model.logits(batch, 'base'), await model.logits(batch, 'tuned'));
    for (const [b, { i }] of block.entries()) {
      for (const value of divergence.subarray(b * batch.length, (b + 1) * batch.length)) sums[i]! += value;
    }
  }
  const perToken = items.map((item, i) => sums[i]! / item.sequences.reduce((n, { ids }) => n + ids.length - 1, 0));
  return perToken.reduce((a, b) => a + b, 0) / items.length;
}

test("the rise of loss on the base's own texts is KL(base ‖ tuned) from whole distributions, within its interval", async t => {
  await withTiny(async model => {
    const write: OpenDecoding = shape => model.decoding(shape, 'base');
    const { items } = await writeBaseTexts(wanted(200, 24), tokenizer, write, () => {});
    const others = { ...wanted(400, 24), stop: [] };
    const independent = await writeBaseTexts(
      { ...others, file: join(folder, 'others.jsonl') },
      tokenizer,
      write,
      () => {},
    );
    let before = 0;
    for (const [steps, learningRate] of [
      [8, 1e-2],
      [8, 1e-2],
      [16, 2e-2],
    ] as const) {
      for (let i = 0; i < steps; i++) await model.step([someBatch(i, 4, 24)], { learningRate });
      const base = await scoreItems(items, 64, batch => model.score(batch, 'base'));
      const tuned = await scoreItems(items, 64, batch => model.score(batch, 'tuned'));
      const rise = pairedBootstrap(
        base.map(({ loss }, i) => tuned[i]!.loss - loss),
        { seed: 1 },
      );
      const [same, other] = [await divergenceOn(items, model), await divergenceOn(independent.items.slice(200), model)];
      const told = `rise ${rise.value} [${rise.low}, ${rise.high}], KL ${same} on these texts, ${other} on others`;
      assert.ok(rise.low <= same && same <= rise.high, told);
      assert.ok(rise.low <= other && other <= rise.high, told);
      t.diagnostic(told);
      assert.ok(same > before + 0.2 && rise.low > 0, `${told}: it is there, and grows with the change`);
      before = same;
    }
  });
});

test('items are of one length, each text begins anew, and the same base writes the same to the last token', async () => {
  await withTiny(async model => {
    const write: OpenDecoding = shape => model.decoding(shape, 'base');
    const plan = { ...wanted(70, 20), stop: Array.from({ length: 40 }, (_, i) => i * 8 + 1) };
    const set = await writeBaseTexts(plan, tokenizer, write, () => {});
    assert.equal(set.items.length, 70);
    for (const { sequences } of set.items) {
      assert.equal(
        sequences.reduce((sum, { targets }) => sum + targets.reduce((a, b) => a + b, 0), 0),
        20,
      );
      for (const { ids, targets } of sequences) {
        assert.deepEqual([ids[0], targets[0]], [tokenizer.bosId, 0]);
        for (const id of ids.slice(1, -1)) assert.ok(!plan.stop.includes(id));
      }
      for (const { ids } of sequences.slice(0, -1)) assert.ok(plan.stop.includes(ids.at(-1)!));
    }
    assert.ok(set.items.some(({ sequences }) => sequences.length > 1));
    const text = await readFile(plan.file, 'utf8');
    await rm(plan.file);
    const again = await writeBaseTexts(plan, tokenizer, write, () => {});
    assert.deepEqual([again.fingerprint, await readFile(plan.file, 'utf8')], [set.fingerprint, text]);
    assert.deepEqual(
      (await knownBaseTexts(plan))?.items.map(({ sequences }) => sequences),
      again.items.map(({ sequences }) => sequences),
    );
  });
});

test('texts that were changed, cut short or written for something else are not taken', async () => {
  await withTiny(async model => {
    const plan = wanted(60, 9);
    await writeBaseTexts(
      plan,
      tokenizer,
      shape => model.decoding(shape, 'base'),
      () => {},
    );
    const text = await readFile(plan.file, 'utf8');
    const lines = text.trimEnd().split('\n');
    const damaged: Record<string, string> = {
      'an item less': [...lines.slice(1), ''].join('\n'),
      'another token': text.replace(/"ids":\[\[0,(\d+),/, (_, id) => `"ids":[[0,${(Number(id) + 1) % 300},`),
      'no seal': [...lines.slice(0, -1), ''].join('\n'),
      'cut short': text.slice(0, text.length / 2),
      'another key': text.replace(plan.key, 'k'.repeat(64)),
      'not JSON': 'x'.repeat(40),
    };
    for (const [what, content] of Object.entries(damaged)) {
      assert.notEqual(content, text, what);
      await writeFile(plan.file, content);
      assert.equal(await knownBaseTexts(plan), null, what);
    }
    await writeFile(plan.file, text);
    assert.equal((await knownBaseTexts(plan))?.items.length, 60);
  });
});

test('another base, tokenizer, length or number of texts is another file', () => {
  const files = new Set(
    [
      baseTextsOf({ items: 50, tokens: 20 }, { max_length: 64 }, tokenizer, 'a', folder),
      baseTextsOf({ items: 50, tokens: 20 }, { max_length: 64 }, tokenizer, 'b', folder),
      baseTextsOf({ items: 51, tokens: 20 }, { max_length: 64 }, tokenizer, 'a', folder),
      baseTextsOf({ items: 50, tokens: 20 }, { max_length: 16 }, tokenizer, 'a', folder),
      baseTextsOf({ items: 50, tokens: 20 }, { max_length: 64 }, { ...tokenizer, fingerprint: 'x' }, 'a', folder),
    ].map(({ file }) => file),
  );
  assert.equal(files.size, 5);
});

const saying = (logits: (row: number) => number[]): OpenDecoding => {
  const all = (rows: number) => async () =>
    Float32Array.from(Array.from({ length: rows }, (_, row) => logits(row)).flat());
  return ({ rows }) => ({ rows, begin: all(rows), next: all(rows), close: () => {} });
};

test('a base that ends its texts at once, or gives no finite numbers, is refused and leaves nothing', async () => {
  const plan = { ...wanted(50, 12), file: join(folder, 'refused', 'texts.jsonl'), stop: [1] };
  const write = (logits: number[]) =>
    writeBaseTexts(
      plan,
      tokenizer,
      saying(() => logits),
      () => {},
    );
  await assert.rejects(write([0, 9, 0]), { code: 'base-silent', remedy: /retain\.probes/ });
  await assert.rejects(write([0, Number.NaN, 0]), { code: 'not-finite' });
  await assert.rejects(write([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]), {
    code: 'not-finite',
  });
  await assert.rejects(readdir(join(folder, 'refused')), { code: 'ENOENT' });
});

test('a tokenizer without a first token lends its last one; one without either is refused', () => {
  const planOf = (ids: Partial<Tokenizer>) =>
    baseTextsOf({ items: 50, tokens: 20 }, { max_length: 64 }, { ...tokenizer, ...ids }, 'a', folder);
  assert.equal(planOf({ bosId: null, eosId: 7 }).start, 7);
  assert.throws(() => planOf({ bosId: null, eosId: null }), { code: 'no-start-token', remedy: /bos_token/ });
});
