import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadTokenizer } from '../../src/engine/tokenizer/tokenizer.ts';
import { split, trainBpe } from '../../world/bpe.ts';
import { corpus } from '../../world/corpus.ts';
import { endToken, writeTokenizer } from '../../world/tokenizerFiles.ts';

const shipped = join(import.meta.dirname, '../../models/holdfast-tiny');

test('digits stand alone and spaces go with the word behind them', () => {
  assert.deepEqual(split('27 + 35 = 62. "Oh dear!"\n'), [
    ...['2', '7', ' +', ' ', '3', '5', ' =', ' ', '6', '2', '.', ' "', 'Oh', ' dear', '!"', '\n'],
  ]);
});

test('training merges the most frequent pair first, and ties in one order', () => {
  const bpe = trainBpe(['ab ab ab', 'ab cd cd'], 260, [endToken]);
  assert.deepEqual(bpe.merges, [
    ['a', 'b'],
    ['c', 'd'],
    ['Ġ', 'ab'],
  ]);
});

test('the written files encode and decode as the trainer does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bpe-'));
  try {
    const documents = corpus(3, 2000);
    const bpe = trainBpe(documents, 600, [endToken]);
    writeTokenizer(folder, bpe, 256);
    const tokenizer = await loadTokenizer(folder);
    for (const text of documents.slice(0, 300)) {
      assert.deepEqual(tokenizer.encode(text), bpe.encode(text));
      assert.equal(tokenizer.decode(bpe.encode(text)), text);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the shipped tokenizer gives the ids that the Python library gave', async () => {
  const tokenizer = await loadTokenizer(shipped);
  const cases = JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures/tokenizer.json'), 'utf8')) as {
    text: string;
    ids: number[];
  }[];
  assert.ok(cases.length >= 60);
  for (const { text, ids } of cases) assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
});
