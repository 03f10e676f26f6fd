import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type Batch, ignoredLabel } from '../../../src/engine/batch.ts';
import { BaseScores } from '../../../src/engine/evaluate/baseScores.ts';
import {
  encodeLearningItems,
  encodeProbeSet,
  type ItemScore,
  scoreItems,
} from '../../../src/engine/evaluate/itemScores.ts';
import { divergenceOfLogits } from '../../../src/engine/evaluate/modelPair.ts';
import type { ProbeItem, ProbeKind } from '../../../src/engine/evaluate/probeSets.ts';
import { loadTokenizer, type Tokenizer } from '../../../src/engine/tokenizer/tokenizer.ts';

let tokenizer: Tokenizer;
let folder: string;
before(async () => {
  tokenizer = await loadTokenizer('test/engine/fixtures/tiny-tokenizer');
  folder = await mkdtemp(join(tmpdir(), 'holdfast-scores-'));
});

const maxLength = 32;
type Without<T> = T extends unknown ? Omit<T, 'line'> : never;

function encode(items: Without<ProbeItem>[]) {
  const set = { name: 'a', file: 'a.jsonl', files: ['a.jsonl'], kind: items[0]!.kind as ProbeKind };
  return encodeProbeSet(
    { ...set, items: items.map((item, i) => ({ ...item, line: i + 1 }) as ProbeItem) },
    tokenizer,
    maxLength,
  );
}

/** A model that knows only how likely each token is: its loss is a function of the label alone. */
const lossOf = (label: number): number => 1 + (label % 7) / 7;
const score = async (batch: Batch): Promise<Float32Array> =>
  Float32Array.from(batch.labels, label => (label === ignoredLabel ? 0 : lossOf(label)));
const meanOf = (text: string): number => {
  const losses = tokenizer.encode(text).map(lossOf);
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
};
const close = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-5, `${a} and ${b}`);

test('a text is scored by the mean over all its tokens, also when it is longer than the window', async () => {
  const long = 'the dog ran to the town and the cat sat on the mat '.repeat(6);
  const items = encode([
    { kind: 'text', text: long },
    { kind: 'text', text: 'short' },
  ]);
  assert.ok(items[0]!.sequences.length > 2);
  const scores = await scoreItems(items, maxLength, score);
  assert.equal(scores[0]!.tokens, tokenizer.encode(long).length);
  close(scores[0]!.loss, meanOf(long));
  close(scores[1]!.loss, meanOf('short'));
});

test('a choice is scored by the right answer alone; the pick divides by characters', async () => {
  const choices = [' 9', ' 1', ' twelve'];
  const [item] = encode([{ kind: 'choice', context: '3 + 6 =', choices, gold: 2 }]);
  const [found] = await scoreItems([item!], maxLength, score);
  const answers = choices.map(choice => tokenizer.encode(`3 + 6 =${choice}`).slice(tokenizer.encode('3 + 6 =').length));
  const sums = answers.map(ids => ids.reduce((sum, id) => sum + lossOf(id), 0));
  close(found!.loss, sums[2]! / answers[2]!.length);
  const perCharacter = sums.map((sum, i) => sum / choices[i]!.length);
  assert.equal(found!.pick, perCharacter.indexOf(Math.min(...perCharacter)));
  assert.equal(found!.correct, found!.pick === 2);
});

test('a pair is right when the good sentence as a whole is likelier; equal ones are wrong', async () => {
  const sum = (text: string): number => meanOf(text) * tokenizer.encode(text).length;
  const texts = ['the cat sat', 'the cat sits on'] as const;
  const items = encode([
    { kind: 'pairs', good: texts[0], bad: texts[1] },
    { kind: 'pairs', good: texts[1], bad: texts[0] },
  ]);
  const scores = await scoreItems(items, maxLength, score);
  assert.deepEqual(
    scores.map(({ correct }) => correct),
    [sum(texts[0]) < sum(texts[1]), sum(texts[1]) < sum(texts[0])],
  );
  close(scores[0]!.loss, meanOf(texts[0]));
  const indifferent = async (batch: Batch): Promise<Float32Array> => new Float32Array(batch.labels.length);
  const flat = await scoreItems(items, maxLength, indifferent);
  assert.equal(flat[0]!.correct, false);
});

test('scores do not depend on which items are scored together', async () => {
  const items = encode(
    Array.from({ length: 40 }, (_, i) => ({ kind: 'text' as const, text: 'the cat sat on '.repeat(1 + (i % 5)) + i })),
  );
  const together = await scoreItems(items, maxLength, score);
  for (const i of [0, 17, 39]) assert.deepEqual((await scoreItems([items[i]!], maxLength, score))[0], together[i]);
});

test('an item that is longer than the window or has nothing to score is named', () => {
  assert.throws(() => encode([{ kind: 'pairs', good: 'the cat '.repeat(40), bad: 'x y' }]), {
    code: 'sequence-too-long',
    line: 1,
  });
});

test('held-out task rows are scored on their answers only', async () => {
  const source = {
    file: 'eval.jsonl',
    format: 'prompt/completion' as const,
    examples: [{ form: 'completion' as const, prompt: 'the cat', completion: ' sat', line: 1 }],
  };
  const items = await encodeLearningItems(source, tokenizer, { maxLength, tooLong: 'error' });
  const [found] = await scoreItems(items, maxLength, score);
  const answer = [...tokenizer.encode('the cat sat').slice(tokenizer.encode('the cat').length), tokenizer.eosId!];
  close(found!.loss, answer.reduce((sum, id) => sum + lossOf(id), 0) / answer.length);
});

test('base scores are asked for once, over runs; a damaged cache is scored again', async () => {
  const asked: number[][] = [];
  const scorer = async (missing: number[]): Promise<ItemScore[]> => {
    asked.push(missing);
    return missing.map(place => ({ loss: place / 3, tokens: 1 }));
  };
  const first = await BaseScores.open(folder, 'key');
  await first.of([2, 0], scorer);
  assert.deepEqual(
    await first.of([0, 1, 2], scorer),
    [0, 1, 2].map(place => ({ loss: place / 3, tokens: 1 })),
  );
  const second = await BaseScores.open(folder, 'key');
  await second.of([1, 2], scorer);
  assert.deepEqual(asked, [[2, 0], [1]]);

  const [name] = await readdir(join(folder, 'base-scores'));
  const file = join(folder, 'base-scores', name!);
  const whole = await readFile(file, 'utf8');
  for (const damaged of [whole.slice(0, 40), whole.replace('"tokens":1', '"tokens":2'), '[]', 'null']) {
    await writeFile(file, damaged);
    asked.length = 0;
    await (await BaseScores.open(folder, 'key')).of([1], scorer);
    assert.deepEqual(asked, [[1]], damaged);
  }
  asked.length = 0;
  await (await BaseScores.open(folder, 'other key')).of([1], scorer);
  assert.deepEqual(asked, [[1]]);
});

test('the divergence of two models is Σ p0 (log p0 − log p) on labelled positions and 0 elsewhere', () => {
  const batch = { labels: Int32Array.of(1, ignoredLabel), rows: 1, length: 2 } as Batch;
  const logits = (...p: number[]): number[] => p.map(Math.log);
  const base = Float32Array.from([...logits(0.5, 0.3, 0.2), ...logits(0.1, 0.1, 0.8)]);
  const tuned = Float32Array.from([...logits(0.2, 0.3, 0.5), ...logits(0.3, 0.3, 0.4)]);
  const [at0, at1] = divergenceOfLogits(batch, base, tuned);
  close(at0!, 0.5 * Math.log(2.5) + 0.2 * Math.log(0.4));
  assert.equal(at1, 0);
});
