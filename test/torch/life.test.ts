import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { FailedEvent, StartCommand, TrainerEvent } from '../../src/protocol/trainer.ts';
import { listCheckpoints } from '../../src/runs/checkpointFiles.ts';
import { count } from '../counts.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../engine/support/tinyRun.ts';
import { ofType, type React, runOn, type Spoken } from './engines.ts';

let files: TinyFiles;
before(async () => {
  files = await makeTinyFiles();
});

/** Everything that a resume must find again: moments, replay, a base to be held to, an order. */
const recipe: TinyRecipe = {
  method: { replay: { data: 'replay.txt' }, regularize: { on: ['task', 'replay'] } },
  train: { max_steps: 40, weight_decay: 0.01, warmup_steps: 4 },
  evaluate: { every: 2, items: 4 },
  checkpoint: { every: 7, keep: ['best', 'last'] },
};

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
const resultOf = ({ outputs }: StartCommand): string => sha256(join(outputs.model, 'model.safetensors'));
const failure = (events: TrainerEvent[]): FailedEvent | undefined => ofType(events, 'failed').at(-1);

/** Losses by step; a later attempt's stand for those it did again. */
function lossesOf(attempts: TrainerEvent[][]): Map<number, number | null> {
  const steps = attempts.flatMap(events => ofType(events, 'step'));
  return new Map(steps.map(({ step, metrics }) => [step, metrics.loss!]));
}

async function resumed(start: StartCommand, attempt: number): Promise<StartCommand> {
  const newest = (await listCheckpoints(start.outputs.checkpoints)).at(-1);
  const { resume: _, ...fresh } = start;
  if (!newest) return { ...fresh, attempt };
  return { ...fresh, attempt, resume: { checkpoint: join(start.outputs.checkpoints, newest.name) } };
}

const whenStep =
  (step: number, act: (child: Parameters<React>[1]) => void): React =>
  (event, child) => {
    if (event.type === 'step' && event.step === step) act(child);
  };

/** A run that was stopped on its way: the steps are so quick that a stop may come when all are done. */
async function stopped(at: number): Promise<{ start: StartCommand; first: Spoken; step: number }> {
  for (;;) {
    const start = files.start(recipe);
    const first = await runOn(
      'torch',
      start,
      whenStep(at, child => child.stdin?.write('{"type":"stop"}\n')),
    );
    const end = first.events.at(-1);
    assert.ok(end?.type === 'finished', first.stderr);
    if (end.reason === 'stopped') return { start, first, step: end.step };
  }
}

test('stopped at a step and taken up again, a run ends in the same weights and the same losses, bit by bit', async () => {
  const whole = files.start(recipe);
  const undisturbed = await runOn('torch', whole);
  assert.equal(undisturbed.code, 0, undisturbed.stderr);

  const { start, first, step } = await stopped(12);
  const second = await runOn('torch', await resumed(start, 2));
  assert.equal(second.code, 0, second.stderr);
  assert.equal(ofType(second.events, 'step')[0]?.step, step + 1);
  assert.deepEqual(lossesOf([first.events, second.events]), lossesOf([undisturbed.events]));
  assert.equal(resultOf(start), resultOf(whole));
});

test(`killed ${count(3, 40)} times at seeded steps, a run is resumed from what it had saved and ends in the same bits`, async t => {
  const whole = files.start(recipe);
  const undisturbed = await runOn('torch', whole);
  const start = files.start(recipe);
  const attempts: TrainerEvent[][] = [];
  let next = start;
  for (let kill = 1; kill <= count(3, 40); kill++) {
    // Steps that no attempt has seen yet come first; a kill may fall into a save.
    const step = Math.min(39, 5 + ((kill * 11) % 34));
    const { events, code } = await runOn(
      'torch',
      next,
      whenStep(step, child => child.kill('SIGKILL')),
    );
    attempts.push(events);
    t.diagnostic(`kill ${kill} asked for at step ${step}: ${code === null ? 'killed' : `ended with ${code}`}`);
    next = await resumed(start, kill + 1);
  }
  const last = await runOn('torch', next);
  assert.equal(last.code, 0, last.stderr);
  assert.deepEqual(lossesOf([...attempts, last.events]), lossesOf([undisturbed.events]));
  assert.equal(resultOf(start), resultOf(whole));
});

test('a checkpoint that was asked for outlives every clean-up, here and in the attempts after', async () => {
  const keepsLast = { ...recipe, checkpoint: { every: 3, keep: ['last'] as const } } as TinyRecipe;
  const start = files.start(keepsLast);
  const askAt = whenStep(4, child => child.stdin?.write('{"type":"checkpoint"}\n'));
  const first = await runOn('torch', start, (event, child) => {
    if (event.type === 'checkpointed')
      child.stdin?.write(`${JSON.stringify({ type: 'recorded', checkpoint: event.folder })}\n`);
    askAt(event, child);
  });
  assert.equal(first.code, 0, first.stderr);
  const left = await listCheckpoints(start.outputs.checkpoints);
  assert.equal(left.filter(({ asked }) => asked).length, 1, JSON.stringify(left));
  assert.equal(left.at(-1)?.step, 40);
});

test('a run does not go on with other data, settings or numbers than it began with', async () => {
  const start = files.start(recipe);
  await runOn(
    'torch',
    start,
    whenStep(9, child => child.stdin?.write('{"type":"stop"}\n')),
  );
  const next = await resumed(start, 2);
  const other = { ...next, recipe: { ...next.recipe, train: { ...next.recipe.train, seed: 2 } } };
  const { events } = await runOn('torch', other);
  assert.match(failure(events)?.message ?? '', /train\.seed was 1, is 2/);
  const asked = await runOn('torch', { ...next, job: 'check' });
  assert.equal(asked.events.at(-1)?.type, 'finished', asked.stderr);
  const byNode = await runOn('node', next);
  assert.equal(failure(byNode.events)?.code, 'numerics-changed');
});
