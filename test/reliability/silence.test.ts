/** A6: who falls silent is seen to be, and nobody is called silent because a clock was set or a machine slept. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Heartbeats } from '../../src/runner/heartbeats.ts';
import { sendControl } from '../../src/runs/control.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import { ownIdentity, type ProcessIdentity } from '../../src/runs/processIdentity.ts';
import type { RunFolder, RunProcess } from '../../src/runs/runFolder.ts';
import { StatusWatch, statusOf } from '../../src/runs/status.ts';
import { TrainerProcess } from '../../src/runs/trainerProcess.ts';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { fakeTrainer } from '../protocol/fakeTrainerProgram.ts';
import { ended, ownHome, queueRun, startRun, testProject, until } from '../runs/testStore.ts';
import { isWithin } from '../slowness.ts';
import { FakeClock } from './fakeClock.ts';
import { testSeed } from './seed.ts';

ownHome();
const seed = testSeed();
const freezes = count(2, 20);
const disturbances = 40;
const beatMs = 5000;
const limitMs = 15_000;

const whoFreezes = ['runner', 'trainer'] as const;

test(`a frozen runner or trainer is shown as stale within ${limitMs / 1000} s, and as running once it goes on`, async t => {
  const delays = await Promise.all(
    Array.from({ length: freezes }, async (_, index) => {
      const run = await startRun(testProject(), { steps: 1_000_000, rate: 20 }, ['--heartbeat-ms', String(beatMs)]);
      const { runner, trainer } = await until('a step', async () => {
        const { process, step, status } = await statusOf(run);
        return process?.trainer && step > 0 && status === 'running' ? { ...process, trainer: process.trainer } : null;
      });
      const who = whoFreezes[index % 2]!;
      const { pid } = { runner, trainer }[who].identity;
      process.kill(pid, 'SIGSTOP');
      const since = performance.now();
      const reason = await until(`${who} is stale`, async () => {
        const { status, reason } = await statusOf(run);
        return status === 'stale' ? reason : '';
      });
      const delay = performance.now() - since;
      assert.match(reason, who === 'runner' ? /its runner has given no sign of life/ : /the trainer has said nothing/);
      process.kill(pid, 'SIGCONT');
      await until('running again', async () => (await statusOf(run)).status === 'running');
      await sendControl(run, 'stop');
      assert.equal((await ended(run)).status, 'stopped');
      return delay;
    }),
  );
  const slowest = Math.max(...delays);
  assert.ok(isWithin(slowest, limitMs), `the slowest was shown after ${Math.round(slowest)} ms`);
  t.diagnostic(
    `A6 stale after SIGSTOP: ${freezes} freezes, all shown, the slowest after ${(slowest / 1000).toFixed(1)} s`,
  );
});

for (const where of ['here', 'on another machine'] as const) {
  test(`${disturbances} sleeps and clock jumps call no run ${where} stale or lost; the freeze after each does`, async t => {
    const run = await queueRun(testProject());
    await writeRunner(run, where);
    let slowest = 0;
    for (let number = 0; number < disturbances; number++) {
      const random = (i: number) => uniform(seed, 10 * number + i);
      const delay = await disturb(run, where, number % 2 === 0, random, `seed ${seed}, disturbance ${number}`);
      slowest = Math.max(slowest, delay);
    }
    const halves = `${disturbances / 2} suspends and ${disturbances / 2} clock jumps`;
    t.diagnostic(
      `A6 ${halves} of a run ${where}: 0 false alarms, real silence told after at most ${slowest / 1000} s (seed ${seed})`,
    );
  });
}

/** Half a minute of life with one disturbance, then silence. Resolves to how long the silence went untold. */
async function disturb(
  run: RunFolder,
  where: string,
  isSleep: boolean,
  random: (i: number) => number,
  moment: string,
): Promise<number> {
  const clock = new FakeClock();
  const heartbeats = new Heartbeats(run, 1, clock);
  const watch = new StatusWatch(clock);
  const lookMs = 500 + Math.floor(500 * random(0));
  const at = 10_000 + Math.floor(10_000 * random(1));
  const isCounted = random(3) < 0.5;
  const long = 60_000 + Math.floor(12 * 3_600_000 * random(4));
  const beat = () => heartbeats.write({ step: 1, paused: false, silentMs: 0, idle: false });
  let toBeat = 0;
  for (let life = 0; life < 30_000; life += lookMs) {
    if (toBeat <= 0) {
      beat();
      toBeat = beatMs;
    }
    if (life >= at && life < at + lookMs) {
      if (isSleep) clock.sleep(long, isCounted);
      else clock.jump(random(5) < 0.5 ? long : -long);
      // A window that opens just now has only the clocks.
      const fresh = await new StatusWatch(clock).look(run);
      if (where === 'here' && !(isSleep && isCounted))
        assert.equal(fresh.status, 'running', `${moment}: ${fresh.reason}`);
    }
    const { status, reason } = await watch.look(run);
    assert.equal(status, 'running', `${moment}, at ${life} ms: ${reason}`);
    clock.go(lookMs);
    toBeat -= lookMs;
  }
  beat();
  for (let silent = 0; ; silent += lookMs) {
    assert.ok(silent <= limitMs, `${moment}: ${silent} ms of silence are not told`);
    if ((await watch.look(run)).status === 'stale') return silent;
    clock.go(lookMs);
  }
}

test('a clock that jumps by hours, or a machine that sleeps, ends no trainer as silent', async () => {
  const clock = new FakeClock();
  let steps = 0;
  const trainer = await TrainerProcess.start({
    node: await chooseNode(),
    program: fakeTrainer({ steps: 60, rate: 60 }),
    cwd: process.cwd(),
    trusted: true,
    clock,
    limits: { silenceMs: 400, helloMs: 400 },
    onEvent: event => {
      if (event.type !== 'step') return;
      steps += 1;
      if (steps % 2 === 0) clock.sleep(3_600_000, true);
      else clock.jump(steps % 4 === 1 ? 3_600_000 : -3_600_000);
    },
  });
  const { recipe, paths } = (await (await queueRun(testProject())).request())!;
  const folder = (await queueRun(testProject())).folder;
  const outputs = { checkpoints: folder, items: folder, samples: folder, model: folder, cache: folder };
  trainer.send({ type: 'start', job: 'train', attempt: 1, recipe, paths, outputs });
  const { code, breach } = await trainer.exited;
  assert.deepEqual([code, breach, steps], [0, null, 60]);
});

async function writeRunner(run: RunFolder, where: string): Promise<void> {
  const me = await ownIdentity();
  const identity: ProcessIdentity = where === 'here' ? me : { ...me, host: 'far-away', bootId: 'of far away' };
  const record: RunProcess = { v: 1, attempt: 1, startedAt: 0, runner: { identity, marker: 'm' }, trainer: null };
  writeFileSync(run.processJson, JSON.stringify(record));
}
