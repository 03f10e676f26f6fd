import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { loadRun } from '../../src/runs/loadRun.ts';
import { type RunFolder, runFormat } from '../../src/runs/runFolder.ts';
import { writeJsonSafely } from '../../src/runs/safeFile.ts';
import { statusOf } from '../../src/runs/status.ts';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';
import { ended, launch, ownHome, queueRun, recipeText, startRun, testProject, until } from '../runs/testStore.ts';

ownHome();

const withRules = (rules: string) => testProject(`${recipeText}stop_if: ${rules}\n`);

async function records(run: RunFolder): Promise<JournalRecord[]> {
  const found: JournalRecord[] = [];
  for await (const batch of readJournal(run)) found.push(...batch.records);
  return found;
}

test('a broken rule ends the run as stopped, saved and judged; reason, journal and chart name the rule', async () => {
  const run = await startRun(withRules('[loss > 99, loss is nan]'), { steps: 100_000, rate: 200, nonFiniteAtStep: 7 });
  const { status, exit, reason } = await ended(run);
  assert.deepEqual([status, exit?.stopRule], ['stopped', 'loss is nan']);
  assert.match(reason, /^the rule "loss is nan" was broken at step 7 \(loss not a finite number\); stopped, and saved/);
  const journal = await records(run);
  const types = journal.map(({ type }) => type);
  const mark = journal.find(record => record.type === 'stopRule');
  assert.deepEqual(mark && [mark.step, mark.rule], [7, 'loss is nan']);
  assert.equal(types[types.indexOf('stopRule') - 1], 'step', 'the mark stands right behind what broke the rule');
  assert.ok(types.lastIndexOf('checkpointed') > types.indexOf('stopRule'), 'it was saved');
  assert.ok(
    journal.some(record => record.type === 'evaluated' && record.final),
    'it was judged',
  );
  const { state } = await loadRun(run);
  assert.deepEqual(
    state.marks.filter(({ kind }) => kind === 'stopRule'),
    [{ step: 7, kind: 'stopRule', text: 'loss is nan' }],
  );
});

test('a budget broken at two evaluations in a row stops the run there', async () => {
  const project = withRules('forgetting.general is forgot for 2 evals');
  const run = await startRun(project, {
    steps: 100_000,
    rate: 500,
    verdicts: { general: 'forgot', arithmetic: 'kept' },
  });
  const { status, exit } = await ended(run);
  assert.deepEqual([status, exit?.stopRule], ['stopped', 'forgetting.general is forgot for 2 evals']);
  const mark = (await records(run)).find(record => record.type === 'stopRule');
  assert.equal(mark?.type === 'stopRule' && mark.step, 10, 'evaluations at the steps 0 and 10');
});

test('a rule that nothing breaks changes nothing', async () => {
  const run = await startRun(withRules('[loss > 99, forgetting > 9]'), { steps: 20 });
  const { status, exit } = await ended(run);
  assert.deepEqual([status, exit?.stopRule, exit?.lastStep], ['finished', undefined, 20]);
});

test('a trainer that ignores the stop of a rule is ended, and the rule is still the reason', async () => {
  const stubborn: FakeTrainerOptions = { steps: 100_000, rate: 100, ignoresStop: true, ignoresSignals: true };
  const run = await startRun(withRules('loss < 99'), stubborn, ['--grace-ms', '200']);
  const { status, exit } = await ended(run);
  assert.deepEqual([status, exit?.signal, exit?.stopRule], ['stopped', 'SIGKILL', 'loss < 99']);
});

test('a run stopped by its rule lets the next in the queue start', async () => {
  const project = withRules('loss < 99');
  const first = await queueRun(project, { steps: 100_000, rate: 100 });
  const second = await queueRun(project, { steps: 2, rate: 0 }, { overrides: ['stop_if=null'] });
  await launch(project);
  assert.equal((await ended(first)).status, 'stopped');
  assert.equal((await ended(second)).status, 'finished');
});

test('a run that was killed and goes on breaks its rule at the step where it would have without that', async () => {
  const project = withRules('loss > 0 for 60 steps');
  const run = await startRun(project, { steps: 100_000, rate: 20 });
  await until('step 12', async () => (await statusOf(run)).step >= 12);
  process.kill((await run.process())!.trainer!.identity.pid, 'SIGKILL');
  assert.equal((await ended(run)).status, 'failed');
  await writeJsonSafely(run.resumeJson, { v: runFormat, attempt: 2, checkpoint: 'a1-step-10', t: Date.now() });
  await launch(project);
  await until('attempt 2 is over', async () => (await run.exit())?.attempt === 2);
  const mark = (await records(run)).find(record => record.type === 'stopRule');
  assert.deepEqual(mark?.type === 'stopRule' && [mark.attempt, mark.step], [2, 60]);
  assert.equal((await loadRun(run)).result.stopRule, 'loss > 0 for 60 steps');
});
