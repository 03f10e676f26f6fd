/**
 * B2, the other way round: a resume that leaves out one part of the state must come to other weights. Otherwise equal
 * weights after a resume would prove nothing.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type OpenedRun, openRun } from '../../src/engine/openRun.ts';
import { learningRateSchedule } from '../../src/engine/schedule.ts';
import type { StartCommand } from '../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../engine/support/tinyRun.ts';
import { sha256 } from './realRuns.ts';

const [middle, end] = [6, 12];

const recipe = (seed: number): TinyRecipe => ({
  train: { max_steps: end, warmup_steps: 3, lr_scheduler: 'cosine', weight_decay: 0.1, seed },
  method: { replay: { data: 'replay.txt', share: 0.3 } },
});

interface Arm {
  seed: number;
  /** After the checkpoint is loaded. */
  spoil(run: OpenedRun): Promise<void> | void;
  /** Steps the rate and the rows are behind. */
  rateLag: number;
  rowsLag: number;
}

const whole: Arm = { seed: 7, spoil: () => {}, rateLag: 0, rowsLag: 0 };

const arms: [string, Partial<Arm>][] = [
  ['the random state (rows drawn by another seed)', { seed: 8 }],
  ["the optimizer's moments", { spoil: forgetMoments }],
  ["the optimizer's count of steps", { spoil: forgetUpdates }],
  ['the schedule of the learning rate', { rateLag: middle }],
  ['the position in the data', { rowsLag: middle }],
];

const differing: string[] = [];
let files: TinyFiles;
let checkpoint: string;
let straight: string;
before(async () => {
  files = await makeTinyFiles();
  checkpoint = join(files.folder, 'a1-step-6');
  straight = await trained(files.start(recipe(7)), async run => {
    await takeSteps(run, 1, middle, whole);
    await run.model.state.dump(checkpoint);
    await takeSteps(run, middle + 1, end, whole);
  });
});

test('a resume with everything in it comes to the weights of a run that was never stopped', async () => {
  assert.equal(await resumed(whole), straight);
});

for (const [what, arm] of arms) {
  test(`a resume without ${what} comes to other weights`, async () => {
    assert.notEqual(await resumed({ ...whole, ...arm }), straight);
    differing.push(what);
  });
}

test('all control arms differ, so equal weights mean something', t => {
  assert.equal(differing.length, arms.length);
  t.diagnostic(
    `B2 control arms: ${differing.length} of ${arms.length} differ: a resume without ${differing.join('; ')}`,
  );
});

const resumed = (arm: Arm): Promise<string> =>
  trained(files.start(recipe(arm.seed)), async run => {
    await run.model.state.load(checkpoint);
    await arm.spoil(run);
    await takeSteps(run, middle + 1, end, arm);
  });

async function trained(start: StartCommand, train: (run: OpenedRun) => Promise<void>): Promise<string> {
  const run = await openRun(start, () => {});
  try {
    await train(run);
    await run.model.save(start.outputs.model, {});
    return sha256(join(start.outputs.model, 'model.safetensors'));
  } finally {
    await run.close();
  }
}

async function takeSteps({ model, plan, steps }: OpenedRun, from: number, to: number, arm: Arm): Promise<void> {
  const schedule = learningRateSchedule(files.start(recipe(arm.seed)).recipe, steps);
  for (let step = from; step <= to; step++) {
    await model.step(plan.at(step - arm.rowsLag).microBatches, { learningRate: schedule.at(step - arm.rateLag) });
  }
}

async function forgetMoments({ model: { state } }: OpenedRun): Promise<void> {
  for (const { name, shape } of state.entries('slot')) {
    await state.write(name, new Float32Array(shape.reduce((a, b) => a * b, 1)));
  }
}

function forgetUpdates({ model }: OpenedRun): void {
  model.state.optimizerStep = 0;
}
