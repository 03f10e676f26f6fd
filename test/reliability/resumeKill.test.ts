/** B2: a run whose trainer is killed at any moment goes on as if nothing had happened, to the last bit. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { followJournal, readJournal } from '../../src/runs/journal.ts';
import { resumeRun } from '../../src/runs/resumeRun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import type { TinyRecipe } from '../engine/support/tinyRun.ts';
import { ownHome, until } from '../runs/testStore.ts';
import { attemptOver, outcomeOf, realProject } from './realRuns.ts';
import { testSeed } from './seed.ts';

ownHome();

const kills = count(10, 200);
const killsOfOneRun = 10;
const runnerKills = count(4, 20);
const steps = 60;
const seed = testSeed();

/** Everything that has state of its own: replay, a penalty, warm-up and decay of the rate, clipping, best and last. */
const recipe: TinyRecipe = {
  train: { max_steps: steps, warmup_steps: 5, lr_scheduler: 'cosine', weight_decay: 0.1, seed: 7 },
  method: { replay: { data: 'replay.txt', share: 0.3 }, regularize: { weight: 0.5, on: ['task', 'replay'] } },
  evaluate: { every: 20, items: 4 },
  checkpoint: { every: 3, keep: ['best', 'last'] },
};

test(`a run whose trainer is killed ${kills} times, half of them inside a save, comes to the same losses and weights`, async t => {
  const project = await realProject();
  const twin = await project.queue(recipe);
  await project.launch();
  assert.match(await attemptOver(twin, 1), /^finished/);
  const undisturbed = await outcomeOf(twin);
  let [done, inside, redone, runs] = [0, 0, 0, 0];
  while (done < kills || inside < kills / 3) {
    assert.ok(runs < 2 * kills, `only ${inside} of ${done} kills were inside a save; seed ${seed}`);
    const run = await project.queue(recipe);
    await project.launch();
    for (let attempt = 1; ; attempt++) {
      const isInside = done % 2 === 0;
      // Spread over the run, so that it is not over before the last kill.
      const step = Math.floor(((attempt - 1 + uniform(seed, 2 * done)) * (steps - 6)) / killsOfOneRun);
      const moment = `seed ${seed}, kill ${done} in run ${runs}, ${isInside ? 'in the save after' : 'after'} step ${step}`;
      if (attempt > killsOfOneRun || (done >= kills && inside >= kills / 3)) break;
      const killed = await killTrainer(run, attempt, step, isInside, uniform(seed, 2 * done + 1));
      // On a busy machine the run may be over before we come to it.
      if (!killed) break;
      done += 1;
      inside += killed.inside;
      assert.match(await attemptOver(run, attempt), /^failed: .*killed/, moment);
      await resumeRun({ store: project.store, run, trusted: true });
      await project.launch();
    }
    runs += 1;
    const where = `seed ${seed}, run ${runs}`;
    const attempts = (await run.resume())?.attempt ?? 1;
    assert.match(await attemptOver(run, attempts), /^finished/, where);
    redone += await refuseDifference(run, undisturbed, where);
  }
  t.diagnostic(
    `B2 kill -9 of the trainer: ${done} kills of ${runs} runs, ${inside} inside a save, ${done} resumed, ${redone} steps redone; losses bit-identical, evaluations and final weights' sha256 equal (seed ${seed})`,
  );
});

test(`a run whose runner is killed ${runnerKills} times, half of them after a freeze, is adopted each time, and comes to the same losses and weights`, async t => {
  const project = await realProject();
  const twin = await project.queue(recipe);
  await project.launch();
  assert.match(await attemptOver(twin, 1), /^finished/);
  const undisturbed = await outcomeOf(twin);
  const run = await project.queue(recipe);
  await project.launch();
  let done = 0;
  for (let attempt = 1; attempt <= runnerKills; attempt++) {
    const step = Math.floor(((attempt - 1 + uniform(seed, 5000 + attempt)) * (steps - 6)) / runnerKills);
    const moment = `seed ${seed}, runner kill ${attempt} after step ${step}`;
    if (!(await reaches(run, attempt, step))) break;
    const { runner } = await until(moment, () => run.process());
    // Frozen first, it hears nothing more of a trainer that trains on: what nobody wrote down has to be done again.
    if (attempt % 2 === 0) {
      process.kill(runner.identity.pid, 'SIGSTOP');
      await new Promise(resolve => setTimeout(resolve, 600 * uniform(seed, 6000 + attempt)));
    }
    process.kill(runner.identity.pid, 'SIGKILL');
    if ((await attemptOver(run, attempt)) !== 'lost') break;
    done += 1;
    // Waits for the trainer that was left behind, which saves and leaves.
    await resumeRun({ store: project.store, run, trusted: true });
    await project.launch();
  }
  assert.match(await attemptOver(run, done + 1), /^finished/, `seed ${seed}`);
  const redone = await refuseDifference(run, undisturbed, `seed ${seed}`);
  assert.ok(done > 0, 'the run was over before the first kill');
  t.diagnostic(
    `B2 kill -9 of the runner: ${done} kills, each adopted, ${redone} steps redone; losses bit-identical, evaluations and final weights' sha256 equal (seed ${seed})`,
  );
});

/** Once the step is in the journal: after a random wait, or when the next save has begun. */
async function killTrainer(
  run: RunFolder,
  attempt: number,
  step: number,
  isInside: boolean,
  chance: number,
): Promise<{ inside: number } | null> {
  if (!(await reaches(run, attempt, step))) return null;
  const pid = (await run.process())?.trainer?.identity.pid;
  if (pid === undefined) return null;
  if (isInside) {
    while (!isSaving(run, attempt)) {
      if ((await run.exit())?.attempt === attempt) return null;
    }
    // A save takes some milliseconds: anywhere in it.
    const until = performance.now() + 4 * chance;
    while (performance.now() < until);
  } else await new Promise(resolve => setTimeout(resolve, 40 * chance));
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return null;
  }
  await attemptOver(run, attempt);
  return { inside: isSaving(run, attempt) ? 1 : 0 };
}

/** False when the attempt is over before. */
async function reaches(run: RunFolder, attempt: number, step: number): Promise<boolean> {
  for await (const record of followJournal(run, { pollMs: 5 })) {
    if (record.attempt !== attempt) continue;
    if (record.type === 'exited') return false;
    if (record.type === 'step' && record.step >= step) return true;
  }
  return false;
}

/** A folder that has not got its name yet. */
const isSaving = (run: RunFolder, attempt: number): boolean =>
  readdirSync(run.checkpoints).some(name => name.startsWith(`.a${attempt}-`) && name.endsWith('.tmp'));

/** How many steps were done twice. */
async function refuseDifference(
  run: RunFolder,
  undisturbed: Awaited<ReturnType<typeof outcomeOf>>,
  where: string,
): Promise<number> {
  const outcome = await outcomeOf(run);
  for (const [index, loss] of undisturbed.losses.entries()) {
    assert.equal(outcome.losses[index], loss, `the loss of step ${index + 1}; ${where}`);
  }
  assert.deepEqual(outcome, undisturbed, where);
  const left = readdirSync(run.checkpoints).filter(name => !name.startsWith('.'));
  assert.ok(left.length > 0 && left.length <= 2, `checkpoints left: ${left.join(', ')}; ${where}`);
  let redone = -steps;
  for await (const { records } of readJournal(run)) redone += records.filter(({ type }) => type === 'step').length;
  return redone;
}
