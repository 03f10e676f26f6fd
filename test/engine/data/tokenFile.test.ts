/** Data that are too large for memory: kept in a file, they are the same rows in the same steps. */
import assert from 'node:assert/strict';
import { appendFile, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataTokens, type TokensOptions } from '../../../src/engine/data/dataTokens.ts';
import type { Sequences, Tokens } from '../../../src/engine/data/tokens.ts';
import { TokenWriter } from '../../../src/engine/data/tokenWriter.ts';
import { EngineError } from '../../../src/engine/engineError.ts';
import { prepareRun } from '../../../src/engine/prepare.ts';
import { loadTokenizer } from '../../../src/engine/tokenizer/tokenizer.ts';
import { noSmallDisk, onSmallDisk } from '../../runs/smallDisk.ts';
import { makeTinyFiles, type TinyRecipe, tokenizerFolder } from '../support/tinyRun.ts';

const files = await makeTinyFiles();
const tokenizer = await loadTokenizer(tokenizerFolder);
const train = join(files.folder, 'train.jsonl');
let caches = 0;
const freshCache = (): string => join(files.folder, `cache-${caches++}`);
const optionsFor = (cacheFolder: string, more: Partial<TokensOptions> = {}): TokensOptions => ({
  maxLength: 32,
  tooLong: 'error',
  cacheFolder,
  mostHeld: 100,
  ...more,
});
const all = (sequences: Sequences): (Tokens | undefined)[] =>
  Array.from({ length: sequences.length }, (_, i) => sequences.at(i));
const namesIn = async (cache: string): Promise<string[]> => (await readdir(join(cache, 'tokens'))).sort();

test('sequences read back from the file are those that were taken, whatever their targets and ids', async () => {
  const taken: Tokens[] = Array.from({ length: 500 }, (_, i) => ({
    ids: Int32Array.from({ length: 1 + ((i * 31) % 90) }, (_, t) => (i * 7919 + t) % 200_000),
    targets: Uint8Array.from({ length: 1 + ((i * 31) % 90) }, (_, t) => Number((i + t) % 3 === 0)),
  }));
  const writer = new TokenWriter(freshCache(), 'key', { maxLength: 90, mostHeld: 50 });
  for (const tokens of taken) await writer.add(tokens);
  const { sequences } = await writer.finish({ dropped: 0, cut: 0 });
  assert.deepEqual(all(sequences), taken);
  assert.deepEqual(
    taken.map((_, i) => sequences.lengthOf(i)),
    taken.map(({ ids }) => ids.length),
  );
  assert.equal(
    sequences.tokens,
    taken.reduce((sum, { ids }) => sum + ids.length, 0),
  );
  assert.deepEqual([sequences.at(-1), sequences.at(500)], [undefined, undefined]);
});

const recipes: Record<string, TinyRecipe> = {
  plain: { train: { max_steps: 40 } },
  'packed, with replay': {
    method: { replay: { data: 'replay.txt', share: 0.4 } },
    train: { packing: true, max_steps: 40, max_length: 64 },
  },
};

for (const [name, recipe] of Object.entries(recipes)) {
  test(`${name}: steps take the same batches from a file as from memory, the first time and the next, and in any order`, async () => {
    const held = await prepareRun(files.start(recipe));
    const start = files.start(recipe);
    start.outputs.cache = freshCache();
    const first = await prepareRun(start, { mostHeld: 10 });
    const written = await namesIn(start.outputs.cache);
    assert.equal(written.length, recipe.method?.replay ? 4 : 2);
    const again = await prepareRun(start, { mostHeld: 10 });
    for (let step = 40; step > 0; step--) {
      const expected = held.plan.at(step);
      assert.deepEqual(first.plan.at(step), expected, `step ${step}`);
      assert.deepEqual(again.plan.at(step), expected, `step ${step} the second time`);
    }
    assert.deepEqual(again.trainSample, held.trainSample);
    const told = ({ steps, trainRows, replayRows, droppedRows, dataHashes, warnings }: typeof held) => [
      ...[steps, trainRows, replayRows, droppedRows, dataHashes, warnings],
    ];
    for (const run of [first, again]) assert.deepEqual(told(run), told(held));
  });
}

test('kept tokens are used again: rows are not tokenized a second time, but under other settings or after a change', async () => {
  const cache = freshCache();
  const silent = { ...tokenizer, encode: () => assert.fail('a row was tokenized again') };
  const first = await dataTokens(train, tokenizer, optionsFor(cache));
  const second = await dataTokens(train, silent, optionsFor(cache));
  assert.deepEqual(all(second.sequences), all(first.sequences));
  assert.equal(second.hash, first.hash);
  await assert.rejects(dataTokens(train, silent, optionsFor(cache, { maxLength: 31 })), /tokenized again/);
  await assert.rejects(dataTokens(train, silent, optionsFor(cache, { tooLong: 'drop' })), /tokenized again/);
  const other = { ...silent, fingerprint: 'other' };
  await assert.rejects(dataTokens(train, other, optionsFor(cache)), /tokenized again/);
  const changed = join(files.folder, 'changed.jsonl');
  await writeFile(changed, (await readFile(train, 'utf8')).replace('code 7', 'code 8'));
  await assert.rejects(dataTokens(changed, silent, optionsFor(cache)), /tokenized again/);
});

test('kept tokens that are damaged, shortened or of another make are made anew', async () => {
  const cache = freshCache();
  const expected = all((await dataTokens(train, tokenizer, optionsFor(cache))).sequences);
  const [about, tokens] = (await namesIn(cache)).map(name => join(cache, 'tokens', name)) as [string, string];
  const damages: (() => Promise<void>)[] = [
    async () => {
      const bytes = await readFile(tokens);
      bytes[40]! ^= 1;
      await writeFile(tokens, bytes);
    },
    async () => writeFile(tokens, (await readFile(tokens)).subarray(0, 100)),
    () => appendFile(tokens, 'more'),
    () => rm(tokens),
    () => writeFile(about, '{"v":1,'),
    async () => writeFile(about, (await readFile(about, 'utf8')).replace('"v":1', '"v":2')),
  ];
  for (const damage of damages) {
    await damage();
    assert.deepEqual(all((await dataTokens(train, tokenizer, optionsFor(cache))).sequences), expected);
    assert.deepEqual((await namesIn(cache)).length, 2);
  }
});

test('a row that is refused leaves nothing behind', async () => {
  const cache = freshCache();
  const bad = join(files.folder, 'bad.jsonl');
  await writeFile(
    bad,
    `${await readFile(train, 'utf8')}${JSON.stringify({ prompt: 'x', completion: ' y'.repeat(99) })}\n`,
  );
  await assert.rejects(dataTokens(bad, tokenizer, optionsFor(cache)), { code: 'sequence-too-long', line: 41 });
  assert.deepEqual(await namesIn(cache), []);
});

test('what a killed process left half-written is removed, told, and made anew', async () => {
  const cache = freshCache();
  await dataTokens(train, tokenizer, optionsFor(cache));
  const [about, tokens] = (await namesIn(cache)).map(name => join(cache, 'tokens', name)) as [string, string];
  // No process has this number: it is beyond what systems give.
  await writeFile(tokens.replace('.tokens', '.4194999.part'), 'half');
  await rm(about);
  const { warnings } = await dataTokens(train, tokenizer, optionsFor(cache));
  assert.deepEqual(warnings, [
    'An earlier start was interrupted while it read train.jsonl: its tokens were made anew.',
  ]);
  assert.equal((await namesIn(cache)).length, 2);
  assert.deepEqual((await dataTokens(train, tokenizer, optionsFor(cache))).warnings, []);
});

test('while the disk is full a write is tried again at the same place; who cannot wait is told', async () => {
  const folder = freshCache();
  const tokens: Tokens = { ids: Int32Array.of(1, 2, 3), targets: Uint8Array.of(0, 1, 1) };
  let attempts = 0;
  const writer = new TokenWriter(folder, 'key', {
    maxLength: 3,
    mostHeld: 1,
    whenThereIsRoom: async write => {
      attempts += 1;
      await write();
      // What was written before the disk was full is written again.
      return write();
    },
  });
  for (let i = 0; i < 5; i++) await writer.add(tokens);
  const { sequences } = await writer.finish({ dropped: 0, cut: 0 });
  assert.deepEqual(all(sequences), new Array(5).fill(tokens));
  assert.ok(attempts >= 3);

  const blocked = join(folder, 'file');
  await writeFile(blocked, '');
  const refused = new TokenWriter(join(blocked, 'folder'), 'key', { maxLength: 3, mostHeld: 1 });
  await assert.rejects(
    refused.add(tokens),
    error => error instanceof EngineError && /Cannot write/.test(error.message),
  );
});

test('a disk that is full in the middle of it: who waits goes on once there is room, who does not is told and leaves nothing', {
  skip: noSmallDisk,
}, async () => {
  const story = new URL('./fullDiskStory.ts', import.meta.url);
  const { remedy, ...told } = JSON.parse(await onSmallDisk(story, 6000, [], 60_000));
  assert.deepEqual(told, { code: 'disk-full', left: [], said: ['disk-full'], isSame: true });
  assert.match(remedy, /Free some space/);
});

test('tokens that nobody has used for two weeks go when others come', async () => {
  const cache = freshCache();
  const old = join(cache, 'tokens', 'old.tokens');
  const recent = join(cache, 'tokens', 'recent.tokens');
  await mkdir(join(cache, 'tokens'), { recursive: true });
  for (const file of [old, recent]) await writeFile(file, '');
  const then = new Date(Date.now() - 15 * 24 * 3600 * 1000);
  await utimes(old, then, then);
  await dataTokens(train, tokenizer, optionsFor(cache));
  const names = await namesIn(cache);
  assert.deepEqual([names.includes('old.tokens'), names.includes('recent.tokens')], [false, true]);
});
