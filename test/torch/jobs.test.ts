import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { PreparedData } from '../../src/protocol/prepared.ts';
import type { TrainerEvent } from '../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../engine/support/tinyRun.ts';
import { ofType, prepared, runOn, speak, torchTrainer } from './engines.ts';

let files: TinyFiles;
before(async () => {
  files = await makeTinyFiles();
});

const quick: TinyRecipe = { train: { max_steps: 8 }, evaluate: { every: 8, items: 4 } };
const torchOnly = (train: TinyRecipe['train']): TinyRecipe => ({ ...quick, train: { ...quick.train, ...train } });
const losses = (events: TrainerEvent[]): number[] => ofType(events, 'step').map(({ metrics }) => metrics.loss!);

for (const output of ['adapter', 'merged'] as const) {
  test(`what a run says at its end is what an evaluation of its folder says later: ${output}`, async () => {
    const start = files.start({ ...quick, adapter: { type: 'lora', output } });
    const run = await runOn('torch', start);
    assert.equal(run.code, 0, run.stderr);
    const final = ofType(run.events, 'evaluated').at(-1)!;

    const later = files.start({ ...quick, retain: { ...start.recipe.retain, base: 'model' } }, { job: 'evaluate' });
    later.recipe.model = 'result';
    later.paths.result = start.outputs.model;
    const evaluation = await runOn('torch', later);
    const found = ofType(evaluation.events, 'evaluated').at(-1);
    assert.ok(found, evaluation.stderr);
    for (const [name, { value }] of Object.entries(final.forgetting)) {
      assert.ok(value !== 0 && Math.abs(value - found.forgetting[name]!.value) < 1e-5, `${name}: ${value}`);
    }
  });
}

test('recomputed activations and deterministic algorithms change no loss; bf16 stays near f32, and what trains is held in f32', async () => {
  const plain = await runOn('torch', files.start(quick));
  const recomputed = await runOn(
    'torch',
    files.start(torchOnly({ gradient_checkpointing: true, deterministic: true })),
  );
  assert.equal(recomputed.code, 0, recomputed.stderr);
  assert.deepEqual(losses(recomputed.events), losses(plain.events));

  const half = await runOn('torch', files.start(torchOnly({ precision: 'bf16', learning_rate: 1e-6 })));
  assert.equal(half.code, 0, half.stderr);
  assert.match(ofType(half.events, 'prepared')[0]!.runtime.provider, /bf16/);
  const [exact, rounded] = [losses(plain.events)[0]!, losses(half.events)[0]!];
  assert.ok(exact !== rounded && Math.abs(exact - rounded) < 0.05, `${exact} and ${rounded}`);
  // Steps far below half a bf16 spacing: weights held in bf16 would stand still.
  const end = ofType(half.events, 'evaluated').at(-1)!;
  assert.notEqual(end.learning.eval!.value, 0);
});

test('the memory a run is estimated at is that of its process, libraries included', async () => {
  // On a GPU they take none.
  const { events, stderr } = await runOn('torch', files.start(quick), undefined, { CUDA_VISIBLE_DEVICES: '' });
  const { runtime, memoryEstimateBytes: estimate } = ofType(events, 'prepared')[0]!;
  assert.match(runtime.provider, /^cpu/);
  const peak = ofType(events, 'finished')[0]?.peakMemoryBytes;
  assert.ok(peak, stderr);
  assert.ok(estimate! > 0.5 * peak && estimate! < 1.2 * peak, `estimated ${estimate}, took ${peak}`);
});

test('a Python without torch is named with the command that mends it, after hello', async () => {
  const [python, ...args] = torchTrainer();
  const { events, code } = await speak([python, '-S', ...args], await prepared(files.start(quick)));
  const end = events.at(-1);
  assert.deepEqual([events[0]?.type, code], ['hello', 1]);
  assert.ok(end?.type === 'failed' && end.code === 'torch-missing' && /holdfast doctor/.test(end.remedy ?? ''));
});

test('a start without prepared data is refused', async () => {
  const { events, code } = await speak(torchTrainer(), files.start(quick));
  const end = events.at(-1);
  assert.ok(end?.type === 'failed' && end.code === 'protocol' && code === 1);
});

test('where Python’s tokenizer reads the data in other tokens, nothing is trained, and the place is shown', async () => {
  const start = await prepared(files.start(quick));
  const file = join(start.prepared!, 'artifact.json');
  const data = JSON.parse(readFileSync(file, 'utf8')) as PreparedData;
  const { text, ids } = data.tokenizer.samples.at(-1)!;
  ids[3]! += 1;
  writeFileSync(file, JSON.stringify(data));
  const end = (await runOn('torch', start)).events.at(-1);
  assert.ok(end?.type === 'failed' && end.code === 'tokenizer-differs', JSON.stringify(end));
  const shown = /reads '(.+)' in other tokens/.exec(end.message)?.[1];
  assert.ok(shown && text.includes(shown), `${shown} of ${text}`);
});
