import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type RunIdentity, RunState } from '../../src/domain/runState.ts';
import { forgetFold, isWorthKeeping, keepFold, recallFold } from '../../src/runs/foldCache.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { encodeJournalLine } from '../../src/runs/journalLine.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { emptyRuns, ownHome } from './testStore.ts';

const newRun = emptyRuns('folds');
const folds = join(ownHome(), 'cache', 'folds');

interface Known {
  run: RunFolder;
  identity: RunIdentity;
}

function runOf(steps: number): Known {
  const run = newRun();
  writeSteps(run, 0, steps);
  return {
    run,
    identity: { id: run.id, folder: run.folder, name: 'tone', recipe: 'tone', variant: 'plain', settings: {} },
  };
}

function writeSteps(run: RunFolder, from: number, to: number): void {
  for (let seq = from; seq < to; seq++) {
    const metrics = { loss: 3 / (seq + 1), tokens: 100 };
    appendFileSync(
      run.journalFile,
      encodeJournalLine({ attempt: 1, seq, t: seq }, { type: 'step', step: seq, metrics }),
    );
  }
}

async function foldOf({ run, identity }: Known) {
  const state = new RunState(identity);
  let nextByte = 0;
  for await (const batch of readJournal(run)) {
    for (const record of batch.records) state.apply(record);
    ({ nextByte } = batch);
  }
  return { state, nextByte };
}

async function kept(steps: number): Promise<Known> {
  const known = runOf(steps);
  await keepFold(known.run, await foldOf(known));
  return known;
}

const fileFor = (before: ReadonlySet<string>): string => {
  const made = readdirSync(folds).filter(name => !before.has(name));
  assert.equal(made.length, 1);
  return join(folds, made[0]!);
};

test('who opens a run again reads on where the last reader stood, and misses and doubles nothing', async () => {
  const known = await kept(500);
  writeSteps(known.run, 500, 700);
  const recalled = await recallFold(known.run, known.identity);
  assert.ok(recalled);
  assert.equal(recalled.state.step, 499);
  for await (const { records } of readJournal(known.run, { fromByte: recalled.nextByte })) {
    for (const record of records) recalled.state.apply(record);
  }
  const { state } = await foldOf(known);
  for (const name of ['loss', 'tokens']) {
    assert.deepEqual(recalled.state.series.get(name)?.since(0), state.series.get(name)?.since(0));
  }
  assert.equal(recalled.state.gaps, 0);
});

test('a series that goes on after a recall leaves the others as they are', async () => {
  const known = await kept(500);
  const recalled = await recallFold(known.run, known.identity);
  const { loss, tokens } = Object.fromEntries(recalled!.state.series);
  loss!.append(250, 7);
  assert.deepEqual(tokens!.since(249).steps.slice(0, 3), [249, 250, 251]);
});

const damages: [string, (file: string) => void][] = [
  ['emptied', file => truncateSync(file, 0)],
  ['cut', file => truncateSync(file, Math.floor(readFileSync(file).length / 2))],
  ['cut to its checksum', file => truncateSync(file, 4)],
  ['of NULs', file => writeFileSync(file, Buffer.alloc(readFileSync(file).length))],
  ['garbage', file => writeFileSync(file, 'garbage that is no fold')],
  [
    'with one bit flipped',
    file => {
      const bytes = readFileSync(file);
      bytes[Math.floor(bytes.length / 2)]! ^= 1;
      writeFileSync(file, bytes);
    },
  ],
];
for (const [kind, harm] of damages) {
  test(`a kept fold that is ${kind} is passed over`, async () => {
    const before = new Set(readdirSync(folds));
    const known = await kept(50);
    harm(fileFor(before));
    assert.equal(await recallFold(known.run, known.identity), null);
  });
}

test('a journal that was replaced, cut or deleted is not taken for the one that was read', async () => {
  for (const replace of [
    (run: RunFolder) => writeFileSync(run.journalFile, readFileSync(run.journalFile, 'utf8').replaceAll('1', '2')),
    (run: RunFolder) => truncateSync(run.journalFile, 100),
    (run: RunFolder) => truncateSync(run.journalFile, 0),
  ]) {
    const known = await kept(50);
    assert.ok(await recallFold(known.run, known.identity));
    replace(known.run);
    assert.equal(await recallFold(known.run, known.identity), null);
  }
});

test('a fold goes with a run that is deleted for good', async () => {
  const known = await kept(50);
  await forgetFold(known.run);
  assert.equal(await recallFold(known.run, known.identity), null);
  await forgetFold(known.run);
});

test('short journals are not kept; of long ones at most three hundredths are read twice', () => {
  const mebibyte = 2 ** 20;
  assert.equal(isWorthKeeping(1.5 * mebibyte, 0), false);
  assert.equal(isWorthKeeping(2.5 * mebibyte, 0), true);
  assert.equal(isWorthKeeping(100 * mebibyte, 97.5 * mebibyte), false);
  assert.equal(isWorthKeeping(100 * mebibyte, 96.5 * mebibyte), true);
});

test('above the limit the folds that were longest not written go first', async () => {
  const first = new Set(readdirSync(folds));
  const old = await kept(50);
  const file = fileFor(first);
  utimesSync(file, 1, 1);
  const young = runOf(50);
  const size = readFileSync(file).length;
  const others = readdirSync(folds).filter(name => join(folds, name) !== file).length;
  const bytes = readdirSync(folds).reduce((sum, name) => sum + readFileSync(join(folds, name)).length, 0);
  await keepFold(young.run, await foldOf(young), bytes + size - 1);
  assert.equal(await recallFold(old.run, old.identity), null);
  assert.ok(await recallFold(young.run, young.identity));
  assert.equal(readdirSync(folds).length, others + 1);
});
