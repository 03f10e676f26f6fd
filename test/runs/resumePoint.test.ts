import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  checkpointFiles,
  checkpointFormat,
  checkpointNamed,
  damageOf,
  manifestFile,
} from '../../src/runs/checkpointFiles.ts';
import { findResumePoint, type Resumable } from '../../src/runs/resumePoint.ts';
import { RunFolder, type RunRequest } from '../../src/runs/runFolder.ts';
import { FakeJournal } from '../domain/runs.ts';
import { temporaryFolder } from './testStore.ts';

/** A run of one attempt with checkpoints every 10 steps, all told by its journal. */
function runWith(names: string[]): Resumable & { journal: FakeJournal } {
  const run = new RunFolder('run', temporaryFolder('point'));
  const journal = new FakeJournal().steps(1, 45);
  for (const name of names) {
    writeCheckpoint(run, name);
    tell(journal, name);
  }
  return { run, request: {} as RunRequest, state: journal.state, journal };
}

function writeCheckpoint(run: RunFolder, name: string): void {
  const folder = join(run.checkpoints, name);
  mkdirSync(folder, { recursive: true });
  const sha256 = createHash('sha256').update(name).digest('hex');
  const files = Object.fromEntries(checkpointFiles.map(file => [file, { bytes: name.length, sha256 }]));
  for (const file of checkpointFiles) writeFileSync(join(folder, file), name);
  writeFileSync(join(folder, manifestFile), JSON.stringify({ format: checkpointFormat, files }));
}

const tell = (journal: FakeJournal, folder: string) =>
  journal.say({ type: 'checkpointed', step: checkpointNamed(folder)!.step, folder, bytes: 9 });

const damage = ({ run }: Resumable, name: string) =>
  writeFileSync(join(run.checkpoints, name, checkpointFiles[0]), 'x');

test('the newest that verifies is offered; what is damaged on the way is named', async () => {
  const run = runWith(['a1-step-10', 'a1-step-20', 'a1-step-30', 'a1-step-40']);
  assert.equal((await findResumePoint(run)).checkpoint?.name, 'a1-step-40');
  damage(run, 'a1-step-40');
  rmSync(join(run.run.checkpoints, 'a1-step-30', 'counters.json'));
  const { checkpoint, damaged } = await findResumePoint(run);
  assert.equal(checkpoint?.name, 'a1-step-20');
  assert.deepEqual(
    damaged.map(({ name }) => name),
    ['a1-step-40', 'a1-step-30'],
  );
  assert.match(damaged[1]!.damage, /counters\.json is missing/);
  for (const name of ['a1-step-10', 'a1-step-20']) damage(run, name);
  assert.equal((await findResumePoint(run)).checkpoint, null, 'only the start is left');
});

test('a checkpoint is asked for by name or step, or the start; a damaged one is refused with the good one before it', async () => {
  const run = runWith(['a1-step-10', 'a1-step-20', 'a1-step-30']);
  assert.equal((await findResumePoint(run, 'a1-step-10')).checkpoint?.step, 10);
  assert.equal((await findResumePoint(run, '20')).checkpoint?.step, 20);
  assert.equal((await findResumePoint(run, 'start')).checkpoint, null);
  await assert.rejects(findResumePoint(run, '25'), { code: 'unknown-checkpoint' });
  await assert.rejects(findResumePoint(run, '../../a1-step-10'), { code: 'unknown-checkpoint' });
  damage(run, 'a1-step-30');
  await assert.rejects(findResumePoint(run, '30'), { code: 'checkpoint-damaged', remedy: /a1-step-20/ });
});

test('what the journal tells of comes first: a trainer whose runner was killed saved with nobody listening', async () => {
  const run = runWith(['a1-step-30']);
  writeCheckpoint(run.run, 'a1-step-46');
  assert.equal((await findResumePoint(run)).checkpoint?.name, 'a1-step-30');
  assert.equal((await findResumePoint(run, '46')).checkpoint?.name, 'a1-step-46', 'asked for, it is given');
  damage(run, 'a1-step-30');
  assert.equal((await findResumePoint(run)).checkpoint?.name, 'a1-step-46', 'better than the start');
});

test('before the first save that was heard of a run goes on from the start: its curve has no gap', async () => {
  const run = runWith([]);
  writeCheckpoint(run.run, 'a1-step-46');
  assert.equal((await findResumePoint(run)).checkpoint, null);
  assert.equal((await findResumePoint(run, '46')).checkpoint?.name, 'a1-step-46', 'asked for, it is given');
});

test('what an older attempt did beyond the step of a resume is not on the curve, and not offered', async () => {
  const run = runWith(['a1-step-10', 'a1-step-40']);
  run.journal.attempt = 2;
  run.journal.say({ type: 'resumed', fromStep: 10, checkpoint: 'a1-step-10' }).steps(11, 15);
  assert.equal((await findResumePoint(run)).checkpoint?.name, 'a1-step-10');
  await assert.rejects(findResumePoint(run, '40'), { code: 'unknown-checkpoint' });
  writeCheckpoint(run.run, 'a2-step-15');
  tell(run.journal, 'a2-step-15');
  assert.equal((await findResumePoint(run)).checkpoint?.name, 'a2-step-15');
});

test("a fork's beginning is one of its checkpoints, before it has any of its own", async () => {
  const { run, state } = runWith([]);
  writeCheckpoint(run, 'a3-step-20');
  const request = { parent: { run: 'parent', step: 20, checkpoint: 'a3-step-20' } } as RunRequest;
  assert.equal((await findResumePoint({ run, request, state })).checkpoint?.name, 'a3-step-20');
});

test('a link in the place of a checkpoint or of one of its files is not followed', async () => {
  const run = runWith(['a1-step-10', 'a1-step-20']);
  const { checkpoints } = run.run;
  const elsewhere = temporaryFolder('elsewhere');
  const file = join(checkpoints, 'a1-step-20', checkpointFiles[0]);
  renameSync(file, join(elsewhere, 'state'));
  symlinkSync(join(elsewhere, 'state'), file);
  assert.match(
    (await damageOf(join(checkpoints, 'a1-step-20'))) ?? '',
    /state\.safetensors is missing or not readable/,
  );
  renameSync(join(checkpoints, 'a1-step-10'), join(elsewhere, 'a1-step-10'));
  symlinkSync(join(elsewhere, 'a1-step-10'), join(checkpoints, 'a1-step-10'));
  assert.equal((await findResumePoint(run)).checkpoint, null);
});
