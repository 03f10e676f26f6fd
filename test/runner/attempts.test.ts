import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import { sendControl } from '../../src/runs/control.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { loadRun } from '../../src/runs/loadRun.ts';
import { type RunFolder, runFormat } from '../../src/runs/runFolder.ts';
import { writeJsonSafely } from '../../src/runs/safeFile.ts';
import { statusOf } from '../../src/runs/status.ts';
import { isGone } from '../runs/launchingParent.ts';
import { ended, launch, ownHome, queueRun, startRun, testProject, until } from '../runs/testStore.ts';

ownHome();

async function records(run: RunFolder): Promise<JournalRecord[]> {
  const found: JournalRecord[] = [];
  for await (const { records } of readJournal(run)) found.push(...records);
  return found;
}

const ask = (run: RunFolder, attempt: number, checkpoint: string | null) =>
  writeJsonSafely(run.resumeJson, { v: runFormat, attempt, checkpoint, t: Date.now() });

test('a run that died goes on as attempt 2 from its checkpoint: same folder, same journal, one curve', async () => {
  const project = testProject();
  const run = await queueRun(project, { dieAtStep: 17 });
  const { pid } = await launch(project);
  assert.equal((await ended(run)).status, 'failed');
  // It would take the new attempt at once.
  await until('the first runner has left', () => isGone(pid));
  await ask(run, 2, 'a1-step-10');
  const waiting = await statusOf(run);
  assert.deepEqual([waiting.status, waiting.attempt, waiting.step], ['queued', 2, 16]);
  await launch(project);
  await until('attempt 2 is over', async () => (await run.exit())?.attempt === 2);
  // This fake dies at step 17 of each attempt.
  const journal = await records(run);
  assert.deepEqual(
    journal.map(({ seq }) => seq),
    journal.map((_, index) => index),
  );
  const second = journal.filter(({ attempt }) => attempt === 2);
  const resumed = second.find(record => record.type === 'resumed');
  assert.deepEqual([resumed?.fromStep, resumed?.checkpoint], [10, 'a1-step-10']);
  assert.deepEqual(
    second.filter(record => record.type === 'step').map(({ step }) => step),
    [11, 12, 13, 14, 15, 16],
  );
  const { state } = await loadRun(run);
  assert.equal(state.series.get('loss')?.length, 16);
  assert.equal(state.attempt, 2);
});

test('an attempt from the start redoes everything', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 100_000, rate: 100 });
  await until('step 3', async () => (await statusOf(run)).step >= 3);
  await sendControl(run, 'stop');
  await ended(run);
  await ask(run, 2, null);
  await launch(project);
  await until('attempt 2 takes steps', async () =>
    (await records(run)).some(record => record.attempt === 2 && record.type === 'step'),
  );
  await sendControl(run, 'stop');
  await until('attempt 2 is over', async () => (await run.exit())?.attempt === 2);
  const second = (await records(run)).filter(({ attempt }) => attempt === 2);
  const resumed = second.find(record => record.type === 'resumed');
  assert.deepEqual([resumed?.fromStep, resumed?.checkpoint], [0, 'start']);
  assert.equal(second.find(record => record.type === 'step')?.step, 1);
});

test('a run that waits for one more attempt, or was cancelled while it did, shows the step its last attempt reached', async () => {
  const project = testProject();
  const run = await queueRun(project, { steps: 100_000, standsAt: 15 });
  const first = await launch(project);
  await until('step 15', async () => (await statusOf(run)).step === 15);
  await sendControl(run, 'stop');
  await until('the first runner has left', () => isGone(first.pid));
  await ask(run, 2, 'a1-step-10');
  const second = await launch(project);
  const { runner } = await until('attempt 2 at step 40', async () => {
    const { attempt, step, process } = await statusOf(run);
    return attempt === 2 && step >= 40 ? process : null;
  });
  process.kill(runner.identity.pid, 'SIGKILL');
  await until('the second runner has left', () => isGone(second.pid));
  const lost = await statusOf(run);
  assert.equal(lost.status, 'lost');
  assert.equal((await run.exit())?.lastStep, 15);
  await ask(run, 3, null);
  const waiting = await statusOf(run);
  assert.deepEqual([waiting.status, waiting.step], ['queued', lost.step]);
  await sendControl(run, 'stop');
  const cancelled = await statusOf(run);
  assert.deepEqual([cancelled.status, cancelled.step], ['stopped', lost.step]);
  await launch(project);
  await until('an exit record', async () => (await run.exit())?.attempt === 3);
  const recorded = await statusOf(run);
  assert.deepEqual([recorded.status, recorded.step], ['stopped', lost.step]);
});

test('a stop meant for an attempt that is over does not cancel the next one; a stop for the waiting one does', async () => {
  const project = testProject();
  const run = await queueRun(project);
  await sendControl(run, 'stop');
  const { pid } = await launch(project);
  await until('the first runner has left', () => isGone(pid));
  assert.equal((await statusOf(run)).status, 'stopped');
  await ask(run, 2, null);
  assert.equal((await statusOf(run)).status, 'queued');
  await sendControl(run, 'stop');
  assert.equal((await statusOf(run)).status, 'stopped');
  await launch(project);
  await until('an exit record', async () => (await run.exit())?.attempt === 2);
  assert.deepEqual(await records(run), []);
});
