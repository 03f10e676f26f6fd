/**
 * One run on a small disk that somebody else fills and empties, and what must hold meanwhile. A program of its own.
 * usage: fullDiskStory.ts DISK SEED FILLINGS. Prints {longestMs, records, steps} as JSON.
 */
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sendControl } from '../../src/runs/control.ts';
import { createRun } from '../../src/runs/createRun.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { RunIndex } from '../../src/runs/runIndex.ts';
import { statusOf } from '../../src/runs/status.ts';
import { findStore, type Store } from '../../src/runs/store.ts';
import { uniform } from '../domain/randomValues.ts';
import { fakeTrainer } from '../protocol/fakeTrainerProgram.ts';
import { fillUp } from '../runs/smallDisk.ts';
import { ended, launch, ownHome, testEngine, testProject, until } from '../runs/testStore.ts';

const [disk = '', seed = 0, fillings = 1] = process.argv.slice(2).map((word, at) => (at === 0 ? word : Number(word)));

async function main(): Promise<void> {
  ownHome();
  const folder = String(disk);
  cpSync(testProject().folder, folder, { recursive: true });
  const recipeFile = join(folder, 'test.tune.yaml');
  const store = findStore(recipeFile);
  const run = await createRun({
    recipeFile,
    variant: 'plain',
    overrides: ['checkpoint.every=40'],
    engineFolder: testEngine(),
    trainer: fakeTrainer({ steps: 1_000_000, rate: 500 }),
    node: await chooseNode(),
  });
  const index = await RunIndex.open(store, { mayWrite: true });
  await index.refresh();
  await launch({ folder, recipeFile, store }, ['--heartbeat-ms', '200']);
  await isRunning(run, 0);
  let longestMs = 0;
  for (let filling = 0; filling < Number(fillings); filling++) {
    const random = (i: number) => uniform(Number(seed), 10 * filling + i);
    const goal = (await statusOf(run)).step + Math.floor(100 * random(0));
    await isRunning(run, goal);
    longestMs = Math.max(longestMs, await fillUntilPaused(run, folder));
    await checkFullDisk(run, store, index);
    rmSync(join(folder, 'filler'));
    await isRunning(run, (await statusOf(run)).step + 1);
  }
  await fillUntilPaused(run, folder);
  await sendControlOnFullDisk(run, folder);
  const { status, exit, reason } = await ended(run);
  assert.equal(status, 'stopped', reason);
  rmSync(join(folder, 'filler'), { force: true });
  const { records, steps } = await readWhole(run);
  assert.ok(steps >= exit!.lastStep - 50, `${steps} steps in the journal, the last was ${exit!.lastStep}`);
  process.stdout.write(JSON.stringify({ longestMs, records, steps }));
}

const isRunning = (run: RunFolder, step: number) =>
  until(`running at step ${step}`, async () => {
    const now = await statusOf(run);
    return now.status === 'running' && now.step >= step;
  });

/** To the last byte. Gives the milliseconds from then to a pause that says why. */
async function fillUntilPaused(run: RunFolder, folder: string): Promise<number> {
  fillUp(join(folder, 'filler'));
  const since = performance.now();
  await until('paused for want of room', async () => {
    const { status, reason } = await statusOf(run);
    return status === 'paused' && /disk is full/.test(reason);
  });
  return performance.now() - since;
}

/** Old or new, never half: the index, and every line of the journal. */
async function checkFullDisk(run: RunFolder, store: Store, index: RunIndex): Promise<void> {
  const before = await readWhole(run);
  await index.refresh().catch(() => {});
  const parsed = JSON.parse(readFileSync(join(store.folder, 'index.json'), 'utf8')) as {
    runs: Record<string, unknown>;
  };
  assert.ok(run.id in parsed.runs, 'the index names the run');
  const after = await readWhole(run);
  assert.ok(after.records >= before.records);
}

async function readWhole(run: RunFolder): Promise<{ records: number; steps: number }> {
  let [records, steps] = [0, 0];
  for await (const batch of readJournal(run)) {
    assert.deepEqual(batch.damage, { badLines: 0, gaps: 0, unknown: 0 });
    for (const record of batch.records) {
      assert.equal(record.seq, records++);
      if (record.type === 'step') assert.equal(record.step, ++steps, 'each step once, in order');
    }
  }
  return { records, steps };
}

/** The command needs some bytes, and gets them. */
async function sendControlOnFullDisk(run: RunFolder, folder: string): Promise<void> {
  try {
    await sendControl(run, 'stop');
  } catch {
    rmSync(join(folder, 'filler'));
    appendFileSync(join(folder, 'filler'), Buffer.alloc(1024));
    await sendControl(run, 'stop');
  }
}

main().then(
  () => process.exit(0),
  error => {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exit(1);
  },
);
