/** A5: a stop at any step, asked through the control file alone, saves; and what it saved is taken up again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { followJournal } from '../../src/runs/journal.ts';
import { resumeRun } from '../../src/runs/resumeRun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { statusOf } from '../../src/runs/status.ts';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import type { TinyRecipe } from '../engine/support/tinyRun.ts';
import { ownHome } from '../runs/testStore.ts';
import { isWithin } from '../slowness.ts';
import { attemptOver, realProject } from './realRuns.ts';
import { testSeed } from './seed.ts';

ownHome();
const stops = count(5, 50);
const limitMs = 10_000;
const seed = testSeed();

/** No checkpoint but those of the stops. */
const recipe: TinyRecipe = {
  train: { max_steps: 1_000_000, seed: 3 },
  evaluate: { every: 1_000_000, items: 4 },
  checkpoint: { every: 1_000_000, keep: ['last'] },
};

test(`${stops} stops of a run at random steps save that very step, and each is taken up there`, async t => {
  const project = await realProject();
  const run = await project.queue(recipe);
  await project.launch();
  let [saved, slowestMs] = [0, 0];
  for (let attempt = 1; attempt <= stops; attempt++) {
    const goal = saved + 1 + Math.floor(8 * uniform(seed, attempt));
    const moment = `seed ${seed}, stop ${attempt} after step ${goal}`;
    const first = await untilStep(run, attempt, goal);
    if (attempt > 1) assert.equal(first, saved + 1, `${moment}: taken up at another step than was saved`);
    const since = performance.now();
    await sendControl(run, 'stop');
    const ending = await attemptOver(run, attempt);
    slowestMs = Math.max(slowestMs, performance.now() - since);
    const { exit } = await statusOf(run);
    assert.deepEqual([exit?.outcome, exit?.code], ['stopped', 0], moment);
    assert.match(ending, new RegExp(`and saved at step ${exit?.lastStep}$`), moment);
    saved = exit!.lastStep;
    const resumed = await resumeRun({ store: project.store, run, trusted: true });
    assert.equal(resumed.checkpoint?.name, `a${attempt}-step-${saved}`, moment);
    await project.launch();
  }
  await untilStep(run, stops + 1, saved + 1);
  await sendControl(run, 'stop');
  await attemptOver(run, stops + 1);
  assert.ok(isWithin(slowestMs, limitMs), `the slowest took ${Math.round(slowestMs)} ms`);
  t.diagnostic(
    `A5 stop with final checkpoint: ${stops} of ${stops} stopped, saved at their step and taken up there, the slowest within ${(slowestMs / 1000).toFixed(1)} s (seed ${seed})`,
  );
});

/** Resolves to the attempt's first step once it has reached that one. */
async function untilStep(run: RunFolder, attempt: number, step: number): Promise<number> {
  let first: number | null = null;
  const isOver = async () => (await run.exit())?.attempt === attempt;
  for await (const record of followJournal(run, { pollMs: 20, isOver })) {
    if (record.attempt !== attempt || record.type !== 'step') continue;
    first ??= record.step;
    if (record.step >= step) return first;
  }
  throw new Error(`attempt ${attempt} was over before step ${step}: ${(await run.exit())?.reason}`);
}
