import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { RunControl } from '../../../src/engine/runControl.ts';
import { train } from '../../../src/engine/trainer.ts';
import type { StartCommand, TrainerEvent } from '../../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../support/tinyRun.ts';
import { eventsOf, modelHash, watchedRun } from '../support/watchedRun.ts';

let files: TinyFiles;
before(async () => {
  files = await makeTinyFiles();
});

const recipe: TinyRecipe = { evaluate: { every: 3, items: 8 }, checkpoint: { every: 2, keep: ['all'] } };

/** The next attempt in the same folders. */
const again = (
  start: StartCommand,
  attempt: number,
  checkpoint: string,
  more: Partial<StartCommand> = {},
): StartCommand => ({
  ...start,
  ...more,
  attempt,
  resume: { checkpoint: join(start.outputs.checkpoints, checkpoint), ...more.resume },
});

const steps = (events: TrainerEvent[]): number[] => eventsOf(events, 'step').map(({ step }) => step);
const evaluations = (events: TrainerEvent[]) => eventsOf(events, 'evaluated').map(({ items: _, ...event }) => event);
const checkpointsIn = async ({ outputs }: StartCommand) => (await readdir(outputs.checkpoints)).sort();
test('an evaluation that a stop cut short is made up for when the run goes on', async () => {
  const whole = files.start(recipe);
  const undisturbed = await watchedRun(whole);
  const broken = files.start(recipe);
  let isReached = false;
  const first = await watchedRun(broken, (event, control) => {
    if (event.type === 'step' && event.step === 3) isReached = true;
    if (isReached && event.type === 'progress') control.stop();
    else if (isReached && event.type === 'step' && event.step === 3) control.stop();
  });
  assert.deepEqual(
    evaluations(first).map(({ step }) => step),
    [0],
    'it was cut short',
  );
  assert.ok((await checkpointsIn(broken)).includes('a1-step-3'));
  const second = await watchedRun(again(broken, 2, 'a1-step-3'));
  assert.deepEqual([...evaluations(first), ...evaluations(second)], evaluations(undisturbed));
  assert.equal(await modelHash(broken), await modelHash(whole));
});

test('a run that was stopped in its final evaluation is judged and saved when it goes on', async () => {
  const whole = files.start({ ...recipe, output: { dtype: 'bf16' } });
  const undisturbed = await watchedRun(whole);
  const broken = files.start({ ...recipe, output: { dtype: 'bf16' } });
  await watchedRun(broken, (event, control) => {
    if (event.type === 'checkpointed' && event.step === 6) control.stop();
  });
  const before = await readFile(join(broken.outputs.checkpoints, 'a1-step-6', 'state.safetensors'));
  let isJudging = false;
  const second = await watchedRun(again(broken, 2, 'a1-step-6'), (event, control) => {
    isJudging ||= event.type === 'series';
    // Stopped once more, now that the weights are rounded: no checkpoint may be made of those.
    if (isJudging && event.type === 'progress') control.stop();
  });
  assert.ok(isJudging && evaluations(second).length === 0);
  assert.deepEqual(steps(second), []);
  assert.ok(!(await checkpointsIn(broken)).includes('a2-step-6'));
  assert.deepEqual(await readFile(join(broken.outputs.checkpoints, 'a1-step-6', 'state.safetensors')), before);
  const third = await watchedRun(again(broken, 3, 'a1-step-6'));
  assert.deepEqual(evaluations(third), evaluations(undisturbed).slice(-1));
  assert.equal(await modelHash(broken), await modelHash(whole));
});

test("older attempts' checkpoints beyond the one that is taken up go once a newer one verifies; best and every N stay", async () => {
  const keeping: TinyRecipe = {
    ...recipe,
    train: { max_steps: 12 },
    checkpoint: { every: 1, keep: ['last'], keep_every: 4 },
  };
  const start = files.start(keeping);
  await watchedRun(start, (event, control) => {
    if (event.type === 'step' && event.step === 7) control.stop();
  });
  assert.deepEqual(await checkpointsIn(start), ['a1-step-4', 'a1-step-7']);
  await watchedRun(again(start, 2, 'a1-step-4'), (event, control) => {
    if (event.type === 'step' && event.step === 5) control.stop();
  });
  assert.deepEqual(await checkpointsIn(start), ['a1-step-4', 'a2-step-5']);
  await watchedRun(again(start, 3, 'a2-step-5'));
  assert.deepEqual(await checkpointsIn(start), ['a1-step-4', 'a3-step-12', 'a3-step-8']);
});

test('until the reader has kept everything up to a checkpoint, the one before stays', async () => {
  const start = files.start({ ...recipe, train: { max_steps: 7 }, checkpoint: { every: 2, keep: ['last'] } });
  const control = new RunControl();
  await train(
    start,
    event => {
      // Of the second one nobody hears for a while.
      if (event.type === 'checkpointed' && event.step !== 4) control.recorded(event.folder);
      if (event.type === 'step' && event.step === 6) control.stop();
    },
    control,
  );
  assert.deepEqual(await checkpointsIn(start), ['a1-step-6']);

  const unheard = files.start({ ...recipe, checkpoint: { every: 2, keep: ['last'] } });
  const silent = new RunControl();
  await train(unheard, event => event.type === 'step' && event.step === 5 && silent.stop(), silent);
  assert.deepEqual(await checkpointsIn(unheard), ['a1-step-2', 'a1-step-4', 'a1-step-5']);
});

test('a fork goes on with other settings where its tensors fit, and names the first that does not', async () => {
  const parent = files.start(recipe);
  await watchedRun(parent);
  const checkpoint = join(parent.outputs.checkpoints, 'a1-step-4');
  const fork = (changed: TinyRecipe) => files.start(changed, { resume: { checkpoint, fork: true } });
  const longer = await watchedRun(fork({ ...recipe, train: { max_steps: 9, learning_rate: 1e-3 } }));
  assert.deepEqual(steps(longer), [5, 6, 7, 8, 9]);
  await assert.rejects(
    watchedRun(fork({ ...recipe, adapter: { type: 'lora', r: 2 } })),
    /in the checkpoint|does not have/,
  );
  await assert.rejects(watchedRun(fork({ ...recipe, train: { max_steps: 3 } })), /at step 4, the recipe ends at 3/);
});
