/**
 * Memory that data take: what lives is measured after the collector has run, so that a file that is held would show. The long
 * test checks a recipe on a file of HOLDFAST_TEST_DATA_MB (300) and compares peaks of the trainer's memory.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { prepareRun } from '../../../src/engine/prepare.ts';
import type { StartCommand, TrainerEvent } from '../../../src/protocol/trainer.ts';
import { isLong } from '../../counts.ts';
import { bundle } from '../../protocol/fakeTrainerProgram.ts';
import { makeTinyFiles, type TinyRecipe } from '../support/tinyRun.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const megabyte = 2 ** 20;
const words = 'the cat sat on a mat and old dog ran to town with bread fish soup nuts in its hat'.split(' ');

const files = await makeTinyFiles();
/** A token a word: quick, and few tokens a byte. */
for (const [name, value] of Object.entries({
  'tokenizer.json': {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    post_processor: null,
    decoder: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries(
        ['<unk>', ...words, ...Array.from({ length: 280 }, (_, i) => `word${i}`)].map((word, i) => [word, i]),
      ),
      unk_token: '<unk>',
    },
  },
  'tokenizer_config.json': { unk_token: '<unk>' },
})) {
  await writeFile(join(files.model, name), JSON.stringify(value));
}

/** Rows of some hundred bytes, all of them different. */
async function makeRows(file: string, bytes: number): Promise<number> {
  const out = createWriteStream(file);
  let rows = 0;
  for (let written = 0; written < bytes; rows++) {
    const text = Array.from({ length: 40 + ((rows * 7) % 200) }, (_, k) => words[(rows * 31 + k * k) % words.length]);
    const line = `${JSON.stringify({ text: `${rows} ${text.join(' ')}` })}\n`;
    written += line.length;
    if (!out.write(line)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return rows;
}

function startOn(file: string, recipe: TinyRecipe = {}): StartCommand {
  const start = files.start({ ...recipe, train: { packing: true, max_length: 64, max_steps: 20, ...recipe.train } });
  return { ...start, paths: { ...start.paths, 'train.jsonl': file } };
}

/** Bytes that live, in V8's heap and beside it. What a first collection lets go beside the heap is gone after a second. */
function living(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('while a file is read and its rows are drawn, neither its texts nor its tokens are held', async t => {
  const file = join(files.folder, 'large.jsonl');
  const size = 12 * megabyte;
  const rows = await makeRows(file, size);
  const start = startOn(file);
  await prepareRun(startOn(join(files.folder, 'eval.jsonl')));
  const before = living();
  let most = 0;
  const look = (): void => {
    most = Math.max(most, living() - before);
  };
  let looked = 0;
  const run = await prepareRun(start, {
    mostHeld: 2 ** 16,
    onProgress: phase => {
      if (phase === 'tokenizing' || looked++ % 5 === 0) look();
    },
  });
  for (let step = 1; step <= 20; step++) run.plan.at(step);
  look();
  t.diagnostic(
    `${rows} rows of ${size / megabyte} MB: ${(most / megabyte).toFixed(1)} MB live beyond idle at most, ${(most / rows).toFixed(0)} bytes a row`,
  );
  // Blocks that are written and read, and some bytes a row.
  assert.ok(most < 5 * megabyte, `${most / megabyte} MB`);
  assert.equal(run.trainRows, run.plan.rows.task.length);
});

test('a check on a large file takes at most 200 MB more than on a small one', {
  skip: !isLong() && 'of the long tests',
}, async t => {
  const file = join(files.folder, 'huge.jsonl');
  const size = Number(process.env.HOLDFAST_TEST_DATA_MB ?? 300) * megabyte;
  const rows = await makeRows(file, size);
  const small = join(files.folder, 'small.jsonl');
  await makeRows(small, megabyte / 4);
  const recipe: TinyRecipe = { method: {}, retain: { probes: { general: { file: 'general.txt' } } } };
  const peaks: number[] = [];
  for (const each of [small, file, file]) {
    const startedAt = performance.now();
    peaks.push(await peakOf({ ...startOn(each, recipe), job: 'check' }));
    t.diagnostic(`${each === small ? 'small' : 'large'}: ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  }
  const [idle, first, again] = peaks.map(peak => Math.round(peak / megabyte)) as [number, number, number];
  t.diagnostic(
    `${rows} rows of ${size / megabyte} MB: peak ${first} MB, with kept tokens ${again} MB; on ${megabyte / 4 / 1024} KB ${idle} MB`,
  );
  assert.ok(first - idle <= 200 && again - idle <= 200, `${first} and ${again} beside ${idle}`);
  await rm(file);
});

/** Bytes at most, as the trainer tells when it is done. */
async function peakOf(start: StartCommand): Promise<number> {
  const trainer = bundle(join(import.meta.dirname, '../../../src/engine/main.ts'), 'trainer');
  const child = spawn(process.execPath, [trainer], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.write(`${JSON.stringify(start)}\n`);
  let last: TrainerEvent | undefined;
  for await (const line of createInterface({ input: child.stdout })) last = JSON.parse(line) as TrainerEvent;
  assert.ok(last?.type === 'finished', JSON.stringify(last));
  return last.peakMemoryBytes;
}
