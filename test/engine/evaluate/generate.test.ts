import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type GenerateOptions, generate, type OpenDecoding } from '../../../src/engine/evaluate/generate.ts';
import { pickToken } from '../../../src/engine/evaluate/pickToken.ts';
import { loadTokenizer, type Tokenizer } from '../../../src/engine/tokenizer/tokenizer.ts';
import { withModel } from '../model/tinyLlama.ts';

let tokenizer: Tokenizer;
before(async () => {
  tokenizer = await loadTokenizer('test/engine/fixtures/tiny-tokenizer');
});

const greedy: GenerateOptions = { maxNewTokens: 8, maxLength: 64, temperature: 0, topP: 1, seed: 1, stop: [] };

/** A model in which one token follows another; others are followed by token 0. */
function chained(follows: Map<number, number>): OpenDecoding {
  const size = tokenizer.size;
  return ({ rows }) => {
    const after = (ids: (number | undefined)[]): Float32Array => {
      const logits = new Float32Array(rows * size);
      for (const [row, id] of ids.entries()) logits[row * size + (follows.get(id ?? 0) ?? 0)] = 1;
      return logits;
    };
    return {
      rows,
      begin: async texts => after(texts.map(text => text.at(-1))),
      next: async tokens => after(tokens.map(token => token?.id)),
      close: () => {},
    };
  };
}
const id = (text: string): number => tokenizer.encode(text)[0]!;

test('greedy answers follow the likeliest token from each prompt and stop at the end token', async () => {
  const open = chained(
    new Map([
      [id('a'), id('b')],
      [id('b'), tokenizer.eosId!],
      [id('c'), id('a')],
    ]),
  );
  assert.deepEqual(await generate(['a', 'xxc', 'b'], tokenizer, open, greedy), ['b', 'ab', '']);
  assert.deepEqual(await generate(['c'], tokenizer, open, { ...greedy, maxNewTokens: 1 }), ['a']);
  const many = Array.from({ length: 21 }, (_, i) => ['a', 'xxc', 'b'][i % 3]!);
  assert.deepEqual(
    await generate(many, tokenizer, open, greedy),
    many.map((_, i) => ['b', 'ab', ''][i % 3]),
  );
});

test('an answer ends before the first of its stops, and never passes the longest length', async () => {
  const open = chained(
    new Map([
      [id('a'), id('b')],
      [id('b'), id('c')],
      [id('c'), id('a')],
    ]),
  );
  assert.deepEqual(await generate(['a'], tokenizer, open, greedy), ['bcabcabc']);
  assert.deepEqual(await generate(['a'], tokenizer, open, { ...greedy, stop: ['xx', 'cab', 'ca'] }), ['b']);
  assert.deepEqual(await generate(['aaaa'], tokenizer, open, { ...greedy, maxLength: 7, maxNewTokens: 3 }), ['bca']);
});

test('drawn tokens come as often as the temperature says', () => {
  const logits = Float32Array.from([2, 1, 0, Number.NEGATIVE_INFINITY]);
  for (const temperature of [0.5, 1, 2]) {
    const pick = pickToken({ temperature, topP: 1, seed: 7 });
    const counts = [0, 0, 0, 0];
    const draws = 20_000;
    for (let i = 0; i < draws; i++) counts[pick(logits, i, 3)]! += 1;
    const weights = [...logits].map(logit => Math.exp(logit / temperature));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [token, weight] of weights.entries()) {
      const share = weight / total;
      const deviation = Math.sqrt((share * (1 - share)) / draws);
      assert.ok(Math.abs(counts[token]! / draws - share) <= 4 * deviation, `${token} at ${temperature}: ${counts}`);
    }
  }
});

test('top-p keeps the likeliest tokens that together have that probability, of equals the first', () => {
  const seen = (topP: number, logits: number[]): number[] => {
    const pick = pickToken({ temperature: 1, topP, seed: 1 });
    const found = new Set(Array.from({ length: 2000 }, (_, i) => pick(Float32Array.from(logits), i, 0)));
    return [...found].sort((a, b) => a - b);
  };
  const logits = [0.1, 0.5, 0.1, 0.3].map(Math.log);
  assert.deepEqual(seen(0.4, logits), [1]);
  assert.deepEqual(seen(0.7, logits), [1, 3]);
  assert.deepEqual(seen(0.85, logits), [0, 1, 3]);
  assert.deepEqual(seen(1, logits), [0, 1, 2, 3]);
});

test('the same seed writes the same, another seed something else, and one text does not depend on its neighbours', async () => {
  const words: Tokenizer = {
    ...tokenizer,
    encode: text => text.split(' ').map(Number),
    stopIds: new Set(),
    addsBos: false,
  };
  const prompts = Array.from({ length: 11 }, (_, i) => `${i} ${i + 5} ${i + 20}`);
  const drawing = { ...greedy, maxLength: 24, temperature: 1, topP: 0.95 };
  await withModel({}, async model => {
    const open: OpenDecoding = shape => model.decoding(shape, 'tuned');
    const first = await generate(prompts, words, open, drawing);
    assert.deepEqual(await generate(prompts, words, open, drawing), first);
    assert.notDeepEqual(await generate(prompts, words, open, { ...drawing, seed: 2 }), first);
    assert.deepEqual(await generate(prompts.slice(0, 3), words, open, drawing), first.slice(0, 3));
  });
});
