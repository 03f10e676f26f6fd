/** Number formats that a recipe may ask for: a run learns in them, tells of them, and goes on in the same bits. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { TrainerEvent } from '../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe, wideConfig } from '../engine/support/tinyRun.ts';
import { ofType, resultOf, resumedAt, runOn, withoutBitsandbytes, withoutCompiler } from './engines.ts';

let files: TinyFiles;
before(async () => {
  files = await makeTinyFiles(wideConfig);
});

const recipe = (train: TinyRecipe['train']): TinyRecipe => ({
  engine: 'torch',
  method: { replay: { data: 'replay.txt' }, regularize: { weight: 0.3 } },
  train: { max_steps: 12, ...train },
  evaluate: { every: 6, items: 8 },
  checkpoint: { every: 5, keep: ['all'] },
});
const losses = (events: TrainerEvent[]): number[] => ofType(events, 'step').map(({ metrics }) => metrics.loss!);

const formats: { name: string; train: TinyRecipe['train']; skip: string | false; near: number }[] = [
  { name: 'moments in 8 bits', train: { optim: 'adamw_8bit' }, skip: withoutBitsandbytes(), near: 0.02 },
  { name: 'compiled layers', train: { torch_compile: true }, skip: withoutCompiler(), near: 1e-4 },
  { name: 'f16', train: { precision: 'f16' }, skip: false, near: 0.02 },
];

for (const { name, train, skip, near } of formats) {
  test(`${name}: a run learns as in f32, and taken up from a checkpoint it ends in the same bits`, {
    skip,
  }, async t => {
    const start = files.start(recipe(train));
    const run = await runOn('torch', start);
    assert.equal(run.code, 0, run.stderr);
    const whole = await runOn('torch', files.start(recipe({})));
    const exact = losses(whole.events);
    const apart = Math.max(...losses(run.events).map((loss, i) => Math.abs(loss - exact[i]!)));
    t.diagnostic(`losses apart from f32 by at most ${apart}, of ${exact[0]} to ${exact.at(-1)}`);
    assert.ok(apart > 0 && apart < near && exact.at(-1)! < exact[0]! - 3 * near, `${apart}`);
    const checked = ofType(run.events, 'checked')[0]!;
    assert.ok(checked.ok, JSON.stringify(checked));

    const written = readdirSync(join(start.outputs.checkpoints, 'a1-step-5')).sort();
    assert.deepEqual(written, ['counters.json', 'manifest.json', 'state.safetensors']);
    const again = resumedAt(start, 5);
    const second = await runOn('torch', again);
    assert.equal(second.code, 0, second.stderr);
    assert.equal(ofType(second.events, 'step')[0]?.step, 6);
    assert.deepEqual(losses(second.events), losses(run.events).slice(5));
    assert.equal(resultOf(again), resultOf(start));
    tells[name]!(run.events);
  });
}

const tells: Record<string, (events: TrainerEvent[]) => void> = {
  'moments in 8 bits': events => {
    const { environment } = ofType(events, 'prepared')[0]!;
    assert.match(
      environment.optimizer!,
      /^AdamW, moments in 8 bits of \d\d % of what trains, f32 of the rest: \d\.\d MB$/,
    );
  },
  'compiled layers': events => {
    const { environment, warnings } = ofType(events, 'prepared')[0]!;
    assert.match(environment.compile!, /^the layers, for training/);
    assert.match(environment.attention!, /^sdpa: /);
    assert.ok(!warnings.some(warning => warning.includes('torch_compile')), warnings.join());
  },
  f16: events => {
    const { runtime } = ofType(events, 'prepared')[0]!;
    assert.match(runtime.provider, /f16$/);
    assert.match(
      runtime.reason,
      /computed in f16, as the recipe says; what trains is held in f32, and the loss is scaled/,
    );
    const declared = ofType(events, 'series').map(series => series.name);
    assert.ok(declared.includes('lossScale') && declared.includes('skippedSteps'));
    for (const { metrics } of ofType(events, 'step'))
      assert.deepEqual([metrics.lossScale, metrics.skippedSteps], [2 ** 16, 0]);
  },
};
