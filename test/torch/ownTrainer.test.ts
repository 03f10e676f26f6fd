/**
 * A real transformers Trainer with HoldfastCallback, run as `holdfast run RECIPE -- python train.py`. What the callback
 * measures on the model in memory is compared with what the embedded engine measures on the model that was saved.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { before, test } from 'node:test';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import type { EvaluatedEvent } from '../../src/protocol/trainer.ts';
import { sendControl } from '../../src/runs/control.ts';
import { createRun, resolveText } from '../../src/runs/createRun.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { launchRunner } from '../../src/runs/launch.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { stopRun } from '../../src/runs/stopRun.ts';
import { findStore, type Store } from '../../src/runs/store.ts';
import { runTrainerJob } from '../../src/runs/trainerJob.ts';
import { commandEngine } from '../command/commandEngine.ts';
import { makeTinyFiles } from '../engine/support/tinyRun.ts';
import { ownHome, quick, temporaryFolder, until } from '../runs/testStore.ts';

ownHome();
const python = process.env.HOLDFAST_TORCH_PYTHON;
assert.ok(python, 'HOLDFAST_TORCH_PYTHON names a Python with torch, transformers and PEFT');

const recipe = `model: model
data: { train: train.jsonl, eval: eval.jsonl }
retain:
  probes:
    general: { file: general.txt, budget: { nats: 0.5 } }
    sums: { file: sums.jsonl, budget: { points: 20 } }
    grammar: { file: grammar.jsonl }
  prompts: [Mara sells]
train: { max_length: 48 }
evaluate: { every: 4, items: 8 }
`;

let engineFolder: string;
let files: string;
before(async () => {
  engineFolder = await commandEngine();
  for (const name of ['callback', 'torch_engine']) {
    await cp(resolve('src', name), join(engineFolder, name), { recursive: true });
  }
  await cp('node_modules/onnxruntime-common', join(engineFolder, 'node_modules/onnxruntime-common'), {
    recursive: true,
  });
  files = (await makeTinyFiles()).folder;
});

interface Started {
  run: RunFolder;
  store: Store;
  folder: string;
}

async function start(words: string[]): Promise<Started> {
  const folder = temporaryFolder('own');
  await cp(files, folder, { recursive: true });
  await cp('test/torch/own', folder, { recursive: true });
  const recipeFile = join(folder, 'test.tune.yaml');
  writeFileSync(recipeFile, recipe);
  const [store, node] = [findStore(recipeFile), await chooseNode()];
  const command = [python!, ...words];
  const resolved = { ...resolveText(recipeFile, recipe, { variant: 'plain' }), command };
  const made = { recipeFile, recipeText: recipe, store, engineFolder, node, variant: 'plain' as const };
  const run = await createRun({ ...made, resolved, agreedCommand: command });
  await launchRunner({ store, engineFolder, node, trusted: true, runnerArguments: quick });
  return { run, store, folder };
}

async function journalOf(run: RunFolder): Promise<JournalRecord[]> {
  const found: JournalRecord[] = [];
  for await (const { records } of readJournal(run)) found.push(...records);
  return found;
}

/** As `holdfast eval` does it: a finished model against its base. */
async function judged({ folder }: Started, model: string, engine: 'node' | 'torch'): Promise<EvaluatedEvent> {
  const written = resolveText(join(folder, 'test.tune.yaml'), recipe, { variant: 'plain' });
  const names = ['eval.jsonl', 'general.txt', 'sums.jsonl', 'grammar.jsonl', 'model', model];
  const events = await runTrainerJob({
    job: 'evaluate',
    recipe: { ...written, model, retain: { ...written.retain, base: 'model' } },
    paths: Object.fromEntries(names.map(name => [name, join(folder, name)])),
    engineFolder,
    node: await chooseNode(),
    ...(engine === 'torch' && { python: { path: python!, reason: 'the test' } }),
    trusted: true,
    threads: 1,
  });
  const found = events.find(event => event.type === 'evaluated');
  assert.ok(found?.type === 'evaluated');
  return found;
}

function largestGap(a: EvaluatedEvent, b: EvaluatedEvent): number {
  const names = Object.keys(a.forgetting);
  assert.deepEqual(names, Object.keys(b.forgetting));
  return Math.max(...names.map(name => Math.abs(a.forgetting[name]!.value - b.forgetting[name]!.value)));
}

const evaluations = (records: JournalRecord[]) =>
  records.flatMap(record => (record.type === 'evaluated' ? [record as EvaluatedEvent] : []));

async function ended({ run }: Started): Promise<JournalRecord[]> {
  const exit = await until('the end', () => run.exit());
  assert.equal(exit.outcome, 'finished', `${exit.reason}\n${exit.stderr.join('\n')}`);
  return journalOf(run);
}

test('a Trainer with the callback: live metrics, forgetting on the way, and a verdict that the saved model has too', async t => {
  const started = await start(['train.py', '10', 'full']);
  const records = await ended(started);
  const losses = records.flatMap(record => (record.type === 'step' && record.metrics.loss ? [record.step] : []));
  assert.deepEqual(losses, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 'the printed number is not among them');
  const found = evaluations(records);
  assert.deepEqual(
    found.map(({ step, final }) => [step, final]),
    [
      [0, false],
      [4, false],
      [8, false],
      [10, true],
    ],
  );
  assert.ok(Object.values(found[0]!.forgetting).every(({ value }) => value === 0));
  await cp(join(started.folder, 'model'), join(started.folder, 'whole'), { recursive: true });
  await cp(join(started.folder, 'tuned'), join(started.folder, 'whole'), { recursive: true });
  const saved = await judged(started, 'whole', 'node');
  const last = found.at(-1)!;
  const apart = largestGap(last, saved);
  for (const [name, { verdict, accuracy }] of Object.entries(last.forgetting)) {
    assert.equal(verdict, saved.forgetting[name]!.verdict);
    assert.equal(accuracy?.tuned, saved.forgetting[name]!.accuracy?.tuned);
  }
  assert.ok(apart < 1e-4, `${apart} nats apart`);
  t.diagnostic(`callback and embedded engine: forgetting within ${apart.toExponential(1)} nats`);
});

test('with an adapter the base is the model with its adapter off, and the KL to it is measured; the saved adapter is judged the same by both engines', async t => {
  const started = await start(['train.py', '4', 'lora']);
  const found = evaluations(await ended(started));
  assert.deepEqual(Object.keys(found.at(-1)!.kl), ['general', 'sums', 'grammar']);
  assert.ok(Math.abs(found[0]!.kl.general!) < 1e-6);
  assert.ok(found.at(-1)!.kl.general! > 1e-6);
  // The folder holds an adapter alone: no config, no tokenizer.
  const [embedded, torch] = [await judged(started, 'tuned', 'node'), await judged(started, 'tuned', 'torch')];
  const gaps = [embedded, torch].map(judgement => largestGap(found.at(-1)!, judgement));
  assert.ok(Math.max(...gaps) < 1e-4, `${gaps} nats apart`);
  t.diagnostic(
    `adapter in memory and as saved: forgetting within ${gaps.map(gap => gap.toExponential(1)).join(', ')} nats`,
  );
});

test('TRL’s SFTTrainer is watched by the same callback, and its answers to the prompts are shown', async () => {
  const records = await ended(await start(['sft.py']));
  const losses = records.flatMap(record => (record.type === 'step' && record.metrics.loss ? [record.step] : []));
  assert.deepEqual(losses, [1, 2, 3, 4, 5, 6]);
  const last = evaluations(records).at(-1)!;
  assert.deepEqual([last.step, last.final, Object.keys(last.forgetting)], [6, true, ['general', 'sums', 'grammar']]);
  assert.ok(last.learning.eval!.value !== 0);
  const samples = records.filter(({ type }) => type === 'sample');
  assert.equal(samples.length, 3, 'at the start, on the way and at the end');
});

test('stop and checkpoint are obeyed by the Trainer: it saves, is judged and leaves', async () => {
  const { run, store, folder } = await start(['train.py', '100000', 'full']);
  await until('step 2', async () => (await journalOf(run)).some(record => record.type === 'step' && record.step >= 2));
  const saved = () => readdirSync(join(folder, 'output')).filter(name => /^checkpoint-\d+$/.test(name)).length;
  await sendControl(run, 'checkpoint');
  await until('a checkpoint', () => saved() >= 1);
  await stopRun({ store, run });
  const exit = await until('the end', () => run.exit());
  assert.equal(exit.outcome, 'stopped', readFileSync(run.trainerLog, 'utf8').slice(-2000));
  assert.ok(saved() >= 2, 'once as asked, once at the stop');
  assert.ok(evaluations(await journalOf(run)).at(-1)!.final);
});

test('of two processes the first one is watched and scored, and both pause, save and stop together', async t => {
  const launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2'];
  const { run, store, folder } = await start([...launcher, 'train.py', '100000', 'full']);
  t.after(() => stopRun({ store, run }).catch(() => {}));
  const steps = async () =>
    (await journalOf(run)).flatMap(record => (record.type === 'step' && record.metrics.loss ? [record.step] : []));
  await until('an evaluation on the way', async () => evaluations(await journalOf(run)).some(({ step }) => step >= 4));
  const found = await steps();
  assert.deepEqual(found, [...new Set(found)], 'each step is told once');
  await sendControl(run, 'pause');
  await sendControl(run, 'checkpoint');
  await sendControl(run, 'resume');
  const saved = () => readdirSync(join(folder, 'output')).filter(name => /^checkpoint-\d+$/.test(name)).length;
  await until('a checkpoint', () => saved() >= 1);
  await stopRun({ store, run });
  const exit = await until('the end', () => run.exit());
  assert.equal(exit.outcome, 'stopped', readFileSync(run.trainerLog, 'utf8').slice(-2000));
  const last = evaluations(await journalOf(run)).at(-1)!;
  assert.ok(last.final && last.learning.eval!.value !== 0);
});
