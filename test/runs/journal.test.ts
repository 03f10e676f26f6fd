import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import { followJournal, JournalWriter, readJournal } from '../../src/runs/journal.ts';
import { encodeJournalLine } from '../../src/runs/journalLine.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { emptyRuns, temporaryFolder } from './testStore.ts';

const newRun = emptyRuns('journal');

const step = (number: number, loss: number | null = 1) => ({ type: 'step' as const, step: number, metrics: { loss } });

async function all(run: RunFolder, fromByte = 0) {
  const records: JournalRecord[] = [];
  let nextByte = fromByte;
  let damage = { badLines: 0, gaps: 0, unknown: 0 };
  for await (const batch of readJournal(run, { fromByte })) {
    records.push(...batch.records);
    ({ nextByte, damage } = batch);
  }
  return { records, nextByte, damage };
}

test('what was appended is read back, stamped with attempt, sequence and time', async () => {
  const run = newRun();
  const writer = await JournalWriter.open(run, 1);
  writer.append({ type: 'progress', phase: 'loading', fraction: 0.5 });
  writer.append({ type: 'step', step: 1, metrics: { loss: null }, nonFinite: { loss: 'nan' } });
  writer.close();
  const { records, damage } = await all(run);
  assert.deepEqual(damage, { badLines: 0, gaps: 0, unknown: 0 });
  assert.deepEqual(
    records.map(({ t, ...rest }) => ({ ...rest, recent: Date.now() - t < 60_000 })),
    [
      { v: 1, attempt: 1, seq: 0, type: 'progress', phase: 'loading', fraction: 0.5, recent: true },
      {
        v: 1,
        attempt: 1,
        seq: 1,
        type: 'step',
        step: 1,
        metrics: { loss: null },
        nonFinite: { loss: 'nan' },
        recent: true,
      },
    ],
  );
});

test('a torn last line is cut when the writer opens, and the sequence runs on', async () => {
  const run = newRun();
  const writer = await JournalWriter.open(run, 1);
  for (let number = 1; number <= 3; number++) writer.append(step(number));
  writer.close();
  const whole = readFileSync(run.journalFile).length;
  appendFileSync(run.journalFile, '{"v":1,"attempt":1,"seq":3,"t":17');
  assert.equal((await all(run)).records.length, 3, 'a reader leaves the torn line alone');
  const again = await JournalWriter.open(run, 2);
  assert.equal(readFileSync(run.journalFile).length, whole);
  assert.equal(again.append(step(4)).seq, 3);
  again.close();
  const { records, damage } = await all(run);
  assert.deepEqual(
    records.map(({ seq, attempt }) => [attempt, seq]),
    [
      [1, 0],
      [1, 1],
      [1, 2],
      [2, 3],
    ],
  );
  assert.deepEqual(damage, { badLines: 0, gaps: 0, unknown: 0 });
});

test('bad lines and gaps are counted, and the rest is read', async () => {
  const run = newRun();
  const lines = [0, 1, 2, 3, 4, 5].map(seq => encodeJournalLine({ attempt: 1, seq, t: 1 }, step(seq + 1)));
  const flipped = lines[1]!.replace('"step":2', '"step":9');
  writeFileSync(
    run.journalFile,
    [lines[0], flipped, 'no json\n', `${'x'.repeat(9 * 1024 * 1024)}\n`, lines[4], lines[5]].join(''),
  );
  const { records, damage } = await all(run);
  assert.deepEqual(
    records.map(({ seq }) => seq),
    [0, 4, 5],
  );
  assert.deepEqual(damage, { badLines: 3, gaps: 3, unknown: 0 });
});

test('reading on from a byte misses and doubles nothing', async () => {
  const run = newRun();
  const writer = await JournalWriter.open(run, 1);
  for (let number = 1; number <= 500; number++) writer.append(step(number));
  const first = await all(run);
  for (let number = 501; number <= 1000; number++) writer.append(step(number));
  writer.close();
  const second = await all(run, first.nextByte);
  const steps = [...first.records, ...second.records].map(record => record.type === 'step' && record.step);
  assert.deepEqual(
    steps,
    Array.from({ length: 1000 }, (_, index) => index + 1),
  );
});

test('a journal of a newer format is read as far as it is known, and never written', async () => {
  const run = newRun();
  const known = encodeJournalLine({ attempt: 1, seq: 0, t: 1 }, step(1));
  const { crc32 } = await import('node:zlib');
  const seal = (body: string) => `${body},"crc":${crc32(body)}}\n`;
  writeFileSync(run.journalFile, known + seal('{"v":2,"attempt":1,"seq":1,"t":1,"type":"dream","depth":3'));
  const { records, damage } = await all(run);
  assert.equal(records.length, 1);
  assert.equal(damage.unknown, 1);
  await assert.rejects(JournalWriter.open(run, 2), { code: 'newer-format' });
});

test('a journal that is a link is not followed out of the store', async () => {
  const run = newRun();
  const secret = join(temporaryFolder('elsewhere'), 'secret');
  writeFileSync(secret, encodeJournalLine({ attempt: 1, seq: 0, t: 1 }, step(1)));
  symlinkSync(secret, run.journalFile);
  await assert.rejects(all(run), { code: 'damaged' });
});

test('two followers that start before the journal exists both get every record once, in order', async () => {
  const run = newRun();
  const abort = new AbortController();
  const follow = async () => {
    const seen: number[] = [];
    for await (const { seq } of followJournal(run, { signal: abort.signal, pollMs: 20 })) {
      seen.push(seq);
      if (seq === 999) return seen;
    }
    return seen;
  };
  const followers = [follow(), follow()];
  const writer = await JournalWriter.open(run, 1);
  for (let number = 0; number < 1000; number++) {
    writer.append(step(number + 1));
    if (number % 100 === 0) await new Promise(resolve => setImmediate(resolve));
  }
  const expected = Array.from({ length: 1000 }, (_, index) => index);
  assert.deepEqual(await Promise.all(followers), [expected, expected]);
  writer.close();
});

test('a follower survives a torn line that is cut and written anew', async () => {
  const run = newRun();
  const writer = await JournalWriter.open(run, 1);
  writer.append(step(1));
  const { length } = readFileSync(run.journalFile);
  appendFileSync(run.journalFile, '{"v":1,"attempt":1,"seq":1,"t":17000');
  const abort = new AbortController();
  let idle = () => {};
  const hasReadAll = new Promise<void>(resolve => {
    idle = resolve;
  });
  const isOver = async () => {
    idle();
    return false;
  };
  const records = followJournal(run, { signal: abort.signal, pollMs: 10, isOver });
  assert.equal((await records.next()).value?.seq, 0);
  const next = records.next();
  await hasReadAll;
  truncateSync(run.journalFile, length);
  writer.append(step(2));
  assert.equal((await next).value?.seq, 1);
  abort.abort();
  assert.equal((await records.next()).done, true);
  writer.close();
});
