/** B5: one flipped bit, anywhere in a checkpoint or a journal, is noticed and named; nothing else is lost to it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { verifyCheckpoint } from '../../src/engine/state/checkpoint.ts';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { type LoadedRun, loadRun } from '../../src/runs/loadRun.ts';
import { findResumePoint } from '../../src/runs/resumePoint.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { ownHome } from '../runs/testStore.ts';
import { attemptOver, realProject } from './realRuns.ts';
import { testSeed } from './seed.ts';

ownHome();

const flips = count(100, 1000);
const seed = testSeed();

let run: RunFolder;
let loaded: LoadedRun;
before(async () => {
  const project = await realProject();
  run = await project.queue({
    train: { max_steps: 6 },
    checkpoint: { every: 2, keep: ['all'] },
    evaluate: { every: 3, items: 4 },
  });
  await project.launch();
  assert.match(await attemptOver(run, 1), /^finished/);
  loaded = await loadRun(run);
});

test(`of ${flips} checkpoints with one flipped bit each is refused by name, and the good one before it is offered`, async t => {
  const { request, state } = loaded;
  const resumable = { run, request, state };
  const folder = join(run.checkpoints, 'a1-step-6');
  assert.equal((await findResumePoint(resumable)).checkpoint?.name, 'a1-step-6');
  const hit: Record<string, number> = {};
  for (let flip = 0; flip < flips; flip++) {
    const names = readdirSync(folder).sort();
    const name = names[Math.floor(uniform(seed, 2 * flip) * names.length)]!;
    await withFlippedBit(join(folder, name), uniform(seed, 2 * flip + 1), async at => {
      const where = `seed ${seed}, flip ${flip}: bit ${at} of ${name}`;
      const { checkpoint, damaged } = await findResumePoint(resumable);
      assert.equal(checkpoint?.name, 'a1-step-4', where);
      assert.deepEqual(
        damaged.map(found => found.name),
        ['a1-step-6'],
        where,
      );
      assert.ok(damaged[0]?.damage.includes(name) || name === 'manifest.json', `${damaged[0]?.damage}; ${where}`);
      await assert.rejects(verifyCheckpoint(folder), { code: 'checkpoint-damaged', file: folder }, where);
      await assert.rejects(findResumePoint(resumable, '6'), /a1-step-6 cannot be used/, where);
    });
    hit[name] = (hit[name] ?? 0) + 1;
  }
  assert.equal((await findResumePoint(resumable)).checkpoint?.name, 'a1-step-6', 'flipped back, it is good again');
  const files = Object.entries(hit).map(([name, times]) => `${times} in ${name}`);
  t.diagnostic(
    `B5 one flipped bit in a checkpoint: ${flips} of ${flips} refused by name (${files.join(', ')}), the one before offered each time (seed ${seed})`,
  );
});

test(`of ${flips} journals with one flipped bit no record reads as another, and what is missing is counted`, async t => {
  const whole = await recordsOf();
  let [lost, unchanged] = [0, 0];
  for (let flip = 0; flip < flips; flip++) {
    await withFlippedBit(run.journalFile, uniform(seed, 10_000 + flip), async at => {
      const where = `seed ${seed}, flip ${flip}: bit ${at} of the journal`;
      const { records, counted } = await recordsOf();
      for (const record of records) assert.deepEqual(record, whole.records[record.seq], where);
      const missing = whole.records.length - records.length;
      assert.equal(missing > 0, counted > 0, `${missing} records are missing, ${counted} counted; ${where}`);
      if (missing > 0) assert.match((await loadRun(run)).result.warnings.join(' '), /journal/, where);
      lost += missing;
      unchanged += missing === 0 ? 1 : 0;
    });
  }
  t.diagnostic(
    `B5 one flipped bit in a journal of ${whole.records.length} records: ${flips - unchanged} of ${flips} counted and told (${lost} records left out), ${unchanged} changed nothing, 0 read as another (seed ${seed})`,
  );
});

async function recordsOf(): Promise<{ records: JournalRecord[]; counted: number }> {
  const records: JournalRecord[] = [];
  let counted = 0;
  for await (const { records: more, damage } of readJournal(run)) {
    records.push(...more);
    counted = damage.badLines + damage.gaps + damage.unknown;
  }
  return { records, counted };
}

/** Flips it, looks, and flips it back. */
async function withFlippedBit(file: string, chance: number, look: (bit: number) => Promise<void>): Promise<void> {
  const bytes = readFileSync(file);
  const bit = Math.floor(chance * bytes.length * 8);
  const flip = () => {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    writeFileSync(file, bytes);
  };
  flip();
  try {
    await look(bit);
  } finally {
    flip();
  }
}
