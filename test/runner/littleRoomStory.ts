/**
 * Runs that start on a disk with so many free pages, for each number up to what a start needs: a full disk at every
 * moment of a start. A program of its own. usage: littleRoomStory.ts DISK. Prints how each went, as JSON.
 */
import assert from 'node:assert/strict';
import { closeSync, cpSync, existsSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { sendControl } from '../../src/runs/control.ts';
import { readJournal } from '../../src/runs/journal.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { statusOf } from '../../src/runs/status.ts';
import { findStore } from '../../src/runs/store.ts';
import { ended, launch, ownHome, queueRun, type TestProject, testProject, until } from '../runs/testStore.ts';

const pageBytes = 4096;
const pages = [0, 1, 2, 4, 8, 16, 17, 18, 19, 20, 21, 22, 24, 26, 28, 30, 32];
const folder = process.argv[2] ?? '';
const filler = join(folder, 'filler');

async function main(): Promise<void> {
  ownHome();
  cpSync(testProject().folder, folder, { recursive: true });
  const recipeFile = join(folder, 'test.tune.yaml');
  const project: TestProject = { folder, recipeFile, store: findStore(recipeFile) };
  const told: Record<string, string> = {};
  for (const free of pages) {
    told[free] = await startWith(free, project);
    // What comes after would be the same.
    if (told[free] === 'running') break;
  }
  const stopped = await stopWhileItWaits(project);
  process.stdout.write(JSON.stringify({ told, stopped }));
}

/** What was to be seen of it before there was room. */
async function startWith(free: number, project: TestProject): Promise<string> {
  const run = await queueRun(project, { steps: 20, rate: 0 });
  leaveRoomFor(free);
  await launch(project);
  const seen = free < 8 ? 'unseen' : await until(`a word about the disk with ${free} pages`, () => wordOf(run));
  rmSync(filler);
  const { status, reason } = await ended(run);
  assert.equal(status, 'finished', `${free} pages, ${seen}: ${reason}`);
  await checkJournal(run);
  rmSync(run.folder, { recursive: true, maxRetries: 20, retryDelay: 50 });
  return seen;
}

async function wordOf(run: RunFolder): Promise<string | null> {
  const { status, reason, step, exit } = await statusOf(run);
  assert.notEqual(exit?.outcome, 'failed', reason);
  if (/disk is full/.test(reason)) return status;
  return step > 0 || exit ? 'running' : null;
}

async function stopWhileItWaits(project: TestProject): Promise<string> {
  const run = await queueRun(project);
  // Room for the command, which is not ours to find.
  await sendControl(run, 'note', { text: 'first' });
  leaveRoomFor(8);
  await launch(project);
  await until('a word about the disk', () => wordOf(run));
  await sendControl(run, 'stop');
  const { status } = await ended(run);
  rmSync(filler);
  await until('the runner has left', () => !existsSync(project.store.runnerLock));
  return status;
}

async function checkJournal(run: RunFolder): Promise<void> {
  let [records, steps] = [0, 0];
  for await (const batch of readJournal(run)) {
    assert.deepEqual(batch.damage, { badLines: 0, gaps: 0, unknown: 0 });
    for (const record of batch.records) {
      assert.equal(record.seq, records++);
      if (record.type === 'step') assert.equal(record.step, ++steps);
    }
  }
  assert.equal(steps, 20);
}

/** Fills the disk, but for so many pages. */
function leaveRoomFor(free: number): void {
  const descriptor = openSync(filler, 'w');
  try {
    let size = 0;
    for (let written = pageBytes; written === pageBytes; size += written) written = fillPage(descriptor);
    ftruncateSync(descriptor, Math.max(0, Math.ceil(size / pageBytes) - free) * pageBytes);
  } finally {
    closeSync(descriptor);
  }
}

function fillPage(descriptor: number): number {
  try {
    return writeSync(descriptor, Buffer.alloc(pageBytes));
  } catch {
    return 0;
  }
}

main().then(
  () => process.exit(0),
  error => {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exit(1);
  },
);
