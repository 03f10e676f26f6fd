/** The queue: whoever asks, however many at once, and whoever is killed meanwhile, no acknowledged order is lost. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { moveRuns, readQueue, waitingRuns } from '../../src/runs/queue.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { statusOf } from '../../src/runs/status.ts';
import type { Store } from '../../src/runs/store.ts';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { ended, launch, ownHome, queueRun, temporaryFolder, testProject, until } from '../runs/testStore.ts';
import { testSeed } from './seed.ts';

ownHome();
const seed = testSeed();
const askers = 3;
const runsEach = 4;
const changes = count(100, 1000);

test(`${askers} processes that reorder at once lose nothing, ${changes} changes each, while a fourth is killed again and again`, async t => {
  const project = testProject();
  const owned: string[][] = [];
  for (let asker = 0; asker < askers; asker++) {
    owned.push([]);
    for (let run = 0; run < runsEach; run++) owned[asker]!.push((await queueRun(project)).id);
  }
  const victimRuns: string[] = [];
  for (let run = 0; run < runsEach; run++) victimRuns.push((await queueRun(project)).id);
  const program = askerProgram();
  const start = (ids: string[], asker: number, times: number) =>
    spawn(process.execPath, [program, project.folder, String(seed + asker), String(times), ...ids], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  let isOver = false;
  const victims = killedAgainAndAgain(
    () => start(victimRuns, 99, 1_000_000),
    () => isOver,
  );
  const lasts = await Promise.all(owned.map((ids, asker) => lastOrder(start(ids, asker, changes))));
  isOver = true;
  const kills = await victims;
  const order = await orderOf(project.store);
  const moment = `seed ${seed}`;
  assert.deepEqual(order.toSorted(), [...owned.flat(), ...victimRuns].toSorted(), moment);
  for (const [asker, ids] of owned.entries()) {
    assert.deepEqual(
      order.filter(id => ids.includes(id)),
      lasts[asker],
      `asker ${asker}, ${moment}`,
    );
  }
  assert.ok(kills > 0, 'somebody was killed');
  t.diagnostic(
    `queue: ${askers} processes reordered at once, ${askers * changes} changes, ${kills} kill -9 of a fourth, 0 lost (seed ${seed})`,
  );
});

const rounds = count(5, 50);

test(`a queue whose runner is killed ${rounds} times is worked off by the next ones, each run once, in its order`, async t => {
  const project = testProject();
  const runs: RunFolder[] = [];
  for (let run = 0; run < rounds + 2; run++) runs.push(await queueRun(project, { steps: 100_000, rate: 200 }));
  // Backwards: an order that nobody would fall into by chance.
  for (const run of runs) await moveRuns(project.store, [run.id], (await orderOf(project.store))[0]!);
  const expected = runs.map(({ id }) => id).reverse();
  for (let round = 0; round < rounds; round++) {
    const moment = `seed ${seed}, round ${round}`;
    const { pid } = await launch(project);
    const run = project.store.run(expected[round]!);
    await until(`${moment}: its turn`, async () => (await statusOf(run)).status === 'running');
    assert.deepEqual(await orderOf(project.store), expected.slice(round + 1), moment);
    await new Promise(resolve => setTimeout(resolve, 50 * uniform(seed, round)));
    process.kill(pid, 'SIGKILL');
    assert.equal((await ended(run)).status, 'lost', moment);
    assert.deepEqual(await orderOf(project.store), expected.slice(round + 1), moment);
  }
  t.diagnostic(`queue: ${rounds} kill -9 of its runner, order kept, no run taken twice (seed ${seed})`);
});

async function orderOf(store: Store): Promise<string[]> {
  return (await waitingRuns(store, await readQueue(store))).map(({ run }) => run.id);
}

/** The order of its own runs that an asker was last told is on the disk. */
function lastOrder(asker: ChildProcess): Promise<string[]> {
  let told = '';
  asker.stdout?.on('data', chunk => {
    told += chunk;
  });
  return new Promise(resolve => asker.once('close', () => resolve((told.trim().split('\n').at(-1) ?? '').split(' '))));
}

async function killedAgainAndAgain(start: () => ChildProcess, isOver: () => boolean): Promise<number> {
  let kills = 0;
  while (!isOver()) {
    const victim = start();
    await new Promise(resolve => victim.stdout?.once('data', resolve));
    await new Promise(resolve => setTimeout(resolve, 100 * uniform(seed, 1000 + kills)));
    victim.kill('SIGKILL');
    await new Promise(resolve => victim.once('close', resolve));
    kills += 1;
  }
  return kills;
}

/** Moves its own runs about and tells their order after each change that is on the disk. */
function askerProgram(): string {
  const source = join(temporaryFolder('asker'), 'asker.ts');
  const at = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).pathname);
  writeFileSync(
    source,
    `import { writeSync } from 'node:fs';
     import { moveRuns, placedBefore, runNext } from ${at('src/runs/queue.ts')};
     import { storeOf } from ${at('src/runs/store.ts')};
     import { uniform } from ${at('test/domain/randomValues.ts')};
     async function main() {
       const [folder, seed, changes, ...given] = process.argv.slice(2);
       const store = storeOf(folder);
       let ids = given;
       for (let change = 0; change < Number(changes); change++) {
         const pick = at => ids[Math.floor(uniform(Number(seed), 3 * change + at) * ids.length)];
         const [moved, before] = [pick(0), pick(1)];
         const isNext = uniform(Number(seed), 3 * change + 2) < 0.3;
         if (isNext) await runNext(store, [moved]);
         else await moveRuns(store, [moved], before);
         ids = placedBefore(ids, [moved], isNext ? ids[0] : before);
         writeSync(1, ids.join(' ') + '\\n');
       }
     }
     void main();`,
  );
  return bundle(source, 'queueAsker');
}
