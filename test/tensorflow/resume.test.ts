/** Going on from a checkpoint with the runtime TensorFlow, in the folder that HOLDFAST_TEST_TENSORFLOW names. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StartCommand } from '../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyRecipe } from '../engine/support/tinyRun.ts';
import { modelHash, watchedRun } from '../engine/support/watchedRun.ts';

process.env.HOLDFAST_TENSORFLOW = process.env.HOLDFAST_TEST_TENSORFLOW;
const files = await makeTinyFiles();
const recipe: TinyRecipe = {
  runtime: 'tensorflow',
  evaluate: { every: 3, items: 8 },
  checkpoint: { every: 2, keep: ['all'] },
};

const again = (start: StartCommand, runtime: 'tensorflow' | 'onnxruntime'): StartCommand => ({
  ...start,
  recipe: { ...start.recipe, runtime },
  attempt: 2,
  resume: { checkpoint: join(start.outputs.checkpoints, 'a1-step-4') },
});

async function stopped(): Promise<StartCommand> {
  const start = files.start(recipe);
  await watchedRun(start, (event, control) => {
    if (event.type === 'checkpointed' && event.step === 4) control.stop();
  });
  return start;
}

test('a run that was stopped ends in the bits of one that was not', async () => {
  const whole = files.start(recipe);
  await watchedRun(whole);
  const broken = await stopped();
  await watchedRun(again(broken, 'tensorflow'));
  assert.equal(await modelHash(broken), await modelHash(whole));
});

test('a run does not go on with another runtime unless it is forked', async () => {
  const start = await stopped();
  const other = again(start, 'onnxruntime');
  await assert.rejects(watchedRun(other), /runtime was tensorflow on cpu, is onnxruntime on cpu/);
  const events = await watchedRun({ ...other, resume: { ...other.resume!, fork: true } });
  assert.ok(events.some(({ type }) => type === 'finished'));
});
