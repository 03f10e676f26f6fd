/** A base in 4 bits: what forgetting is measured against, what the result is, and that a run goes on in the same bits. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { makeTinyFiles, type TinyFiles, type TinyRecipe, wideConfig } from '../engine/support/tinyRun.ts';
import { ofType, prepared, resultOf, resumedAt, runOn, speak, torchTrainer, withoutBitsandbytes } from './engines.ts';

const skip = withoutBitsandbytes();

let files: TinyFiles;
before(async () => {
  // Narrower rows are misread by some versions of bitsandbytes on the CPU.
  files = await makeTinyFiles(wideConfig);
});

const adapter = { type: 'lora', r: 4, alpha: 16, load_in_4bit: true } as const;
const recipe: TinyRecipe = {
  engine: 'torch',
  adapter,
  method: { regularize: { weight: 0.3 } },
  train: { max_steps: 12, learning_rate: 1e-2 },
  evaluate: { every: 6, items: 8 },
  checkpoint: { every: 5, keep: ['all'] },
};

test('an adapter learns on a base in 4 bits, which is what forgetting and KL compare with', { skip }, async () => {
  const trained = files.start(recipe);
  const run = await runOn('torch', trained);
  assert.equal(run.code, 0, run.stderr);
  const { checks } = ofType(run.events, 'checked')[0]!;
  assert.match(checks.precision!.detail!, /equal those of the file, \d+ are those of the file rounded to 4 bits/);
  assert.equal(checks.neutral!.detail, 'losses within 0.0e+00, KL within 0.0e+00 nats');
  const [zero, , final] = ofType(run.events, 'evaluated');
  for (const { value } of Object.values(zero!.forgetting)) assert.equal(value, 0);
  assert.equal(zero!.kl.train, 0);
  assert.ok(final!.final && final!.kl.train! > 0 && final!.learning.eval!.value > 0);

  const whole = await runOn('torch', files.start({ ...recipe, adapter: { ...adapter, load_in_4bit: false } }));
  const [packed, plain] = [run, whole].map(({ events }) => ofType(events, 'prepared')[0]!);
  assert.deepEqual(packed!.parameters, plain!.parameters);
  assert.match(packed!.runtime.provider, /base in nf4/);
  assert.match(packed!.runtime.reason, /held in 4 bits/);
  // Two bases: neither the runs nor the scores may be mixed up.
  assert.notEqual(packed!.fingerprints.comparison, plain!.fingerprints.comparison);
  assert.notEqual(packed!.fingerprints.cacheKey, plain!.fingerprints.cacheKey);
  const base = (events: typeof run.events) => ofType(events, 'evaluated')[0]!.forgetting.general!.base;
  assert.notEqual(base(run.events), base(whole.events));

  // The result is a PEFT adapter, and an evaluation of it on the same base says the same.
  const written = readdirSync(trained.outputs.model);
  assert.ok(written.includes('adapter_model.safetensors') && !written.includes('model.safetensors'));
  const later = files.start({ ...recipe, retain: { ...trained.recipe.retain, base: 'model' } }, { job: 'evaluate' });
  later.recipe.model = 'result';
  later.paths.result = trained.outputs.model;
  const evaluation = await runOn('torch', later);
  const found = ofType(evaluation.events, 'evaluated').at(-1);
  assert.ok(found, evaluation.stderr);
  for (const [name, { value }] of Object.entries(final!.forgetting))
    assert.ok(value !== 0 && Math.abs(value - found.forgetting[name]!.value) < 1e-5, `${name}: ${value}`);
});

test('taken up from a checkpoint, a run on a base in 4 bits ends in the same bits', { skip }, async () => {
  const whole = files.start(recipe);
  assert.equal((await runOn('torch', whole)).code, 0);
  const again = resumedAt(whole, 5);
  const run = await runOn('torch', again);
  assert.equal(run.code, 0, run.stderr);
  assert.equal(ofType(run.events, 'step')[0]?.step, 6);
  assert.equal(resultOf(again), resultOf(whole));
});

test('without bitsandbytes a base in 4 bits is refused with the command that mends it', async () => {
  const [python, ...args] = torchTrainer();
  // What is named first on the way that modules are looked for hides what is installed.
  const hidden = join(import.meta.dirname, 'hidden');
  const hide = `import sys, runpy; sys.path.insert(0, ${JSON.stringify(hidden)}); runpy.run_path(sys.argv[1], run_name="__main__")`;
  const { events, code } = await speak(
    [python, '-E', '-u', '-c', hide, args.at(-1)!],
    await prepared(files.start(recipe)),
  );
  const end = events.at(-1);
  assert.ok(end?.type === 'failed' && code === 1);
  assert.equal(end.code, 'bitsandbytes-missing');
  assert.match(end.message, /^adapter\.load_in_4bit needs bitsandbytes/);
  assert.match(end.remedy!, /-m pip install --upgrade bitsandbytes/);
  assert.ok(readFileSync(join(hidden, 'bitsandbytes.py'), 'utf8'));
});
