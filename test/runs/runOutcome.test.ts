import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { JournalEvent, JournalRecord } from '../../src/protocol/journal.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { encodeJournalLine } from '../../src/runs/journalLine.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { OutcomeReader } from '../../src/runs/runOutcome.ts';
import { evaluated, prepared } from '../domain/runs.ts';
import { cpuMs, isWithinCpu } from '../slowness.ts';
import { emptyRuns } from './testStore.ts';

const newRun = emptyRuns('outcome');

const lineOf = (seq: number, event: JournalEvent): string => encodeJournalLine({ attempt: 1, seq, t: seq }, event);
const step = (step: number): JournalEvent => ({ type: 'step', step, metrics: { loss: 3 / (step + 1), tokens: 100 } });
/** What a run says beside its steps can be long. */
const words = (length: number): JournalEvent => ({
  type: 'progress',
  phase: '"type":"evaluated"'.repeat(length),
  fraction: 0,
});

/** The whole journal from its start. */
async function told(run: RunFolder) {
  const records: JournalRecord[] = [];
  for await (const batch of readJournal(run)) records.push(...batch.records);
  const last = records.findLast(({ type }) => type === 'step') as
    | { step: number; metrics: { loss: number } }
    | undefined;
  let evaluations: JournalRecord[] = [];
  for (const record of records) {
    if (record.type === 'evaluated') evaluations.push(record);
    else if (record.type === 'resumed') {
      evaluations = evaluations.filter(one => one.type === 'evaluated' && one.step <= record.fromStep);
    }
  }
  return { evaluated: evaluations.at(-1) ?? null, loss: last?.metrics.loss ?? null, step: last?.step ?? 0 };
}

async function assertTold(reader: OutcomeReader, run: RunFolder, moment: string): Promise<void> {
  const { steps: _, ...outcome } = await reader.read(run);
  assert.deepEqual(outcome, await told(run), moment);
}

test('whatever a journal holds, and however it grows, its end tells what all of it tells', async () => {
  for (let seed = 0; seed < 4; seed++) {
    const run = newRun();
    const reader = new OutcomeReader();
    let [seq, now] = [0, 0];
    const random = (below: number): number => (((seed * 7919 + seq * 104_729) % 65_537) * 31) % below;
    appendFileSync(run.journalFile, lineOf(seq++, prepared({ steps: 5000 })));
    for (let round = 0; round < 12; round++) {
      const lines: string[] = [];
      for (let i = random(round % 3 === 0 ? 3000 : 40); i >= 0; i--) lines.push(lineOf(seq++, step(now++)));
      const kind = random(5);
      if (kind === 0) lines.push(lineOf(seq++, evaluated(now, 1, {})));
      if (kind === 1) lines.push(lineOf(seq++, { type: 'resumed', fromStep: Math.floor(now / 2), checkpoint: 'x' }));
      if (kind === 2) lines.push(lineOf(seq++, words(random(30_000))));
      if (kind === 3) lines.push('a line that is damaged\n');
      const text = lines.join('');
      const torn = random(text.length);
      appendFileSync(run.journalFile, text.slice(0, torn));
      await assertTold(reader, run, `seed ${seed}, round ${round}, torn`);
      appendFileSync(run.journalFile, text.slice(torn));
      await assertTold(reader, run, `seed ${seed}, round ${round}`);
      await assertTold(new OutcomeReader(), run, `seed ${seed}, round ${round}, anew`);
    }
  }
});

test('a journal that is another than before, shorter or in its place, is read anew', async () => {
  const run = newRun();
  const reader = new OutcomeReader();
  assert.deepEqual(await reader.read(run), { evaluated: null, steps: null, loss: null, step: 0 });
  writeFileSync(
    run.journalFile,
    [prepared(), step(1), evaluated(1, 1, {}), step(2)].map((e, i) => lineOf(i, e)).join(''),
  );
  await assertTold(reader, run, 'first');
  writeFileSync(run.journalFile, lineOf(0, step(1)));
  await assertTold(reader, run, 'shorter');
  rmSync(run.journalFile);
  writeFileSync(run.journalFile, [step(1), step(2), evaluated(2, 3, {})].map((e, i) => lineOf(i, e)).join(''));
  await assertTold(reader, run, 'in its place');
});

test('a run that goes on without an evaluation is not read again from its start at every look', async () => {
  const run = newRun();
  const lines = Array.from({ length: 200_000 }, (_, i) => lineOf(i, step(i)));
  writeFileSync(run.journalFile, lines.join(''));
  const reader = new OutcomeReader();
  await reader.read(run);
  const started = cpuMs();
  for (let look = 0; look < 100; look++) {
    appendFileSync(run.journalFile, lineOf(200_000 + look, step(200_000 + look)));
    assert.equal((await reader.read(run)).step, 200_000 + look);
  }
  const each = (cpuMs() - started) / 100;
  // A hundredth of what it takes to read all of it.
  assert.ok(
    isWithinCpu(each, 10),
    `${each.toFixed(1)} ms of ${Math.round(readFileSync(run.journalFile).length / 2 ** 20)} MB`,
  );
});
