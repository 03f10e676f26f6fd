/** Which checkpoint a run that is over goes on from, seen from what its journal tells. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeCheckpoint } from '../../src/engine/state/checkpoint.ts';
import { JournalWriter } from '../../src/runs/journal.ts';
import { loadRun } from '../../src/runs/loadRun.ts';
import { findResumePoint, type ResumePoint } from '../../src/runs/resumePoint.ts';
import { ownHome, queueRun, testProject } from '../runs/testStore.ts';

ownHome();

interface Case {
  steps: number;
  told: number[];
  there: number[];
  from?: string;
}

/** A run whose journal has steps 1 to `steps` and tells of the checkpoints at `told`; on the disk are those at `there`. */
async function pointOf({ steps, told, there, from }: Case): Promise<ResumePoint> {
  const run = await queueRun(testProject());
  const writer = await JournalWriter.open(run, 1);
  for (let step = 1; step <= steps; step++) {
    writer.append({ type: 'step', step, metrics: { loss: 1 } });
    if (told.includes(step)) writer.append({ type: 'checkpointed', step, folder: `a1-step-${step}`, bytes: 1 });
  }
  writer.close();
  const one = { name: 'w', shape: [1] };
  for (const step of there) {
    const folder = join(run.checkpoints, `a1-step-${step}`);
    await writeCheckpoint(folder, { tensors: [one], read: async () => new Float32Array(1), counters: { step } });
  }
  return findResumePoint({ run, ...(await loadRun(run)) }, from);
}

test('a save that nobody heard of would leave a gap in the curve: the one before is taken, or the start', async () => {
  assert.equal((await pointOf({ steps: 7, told: [4], there: [4, 8] })).checkpoint?.name, 'a1-step-4');
  assert.equal((await pointOf({ steps: 2, told: [], there: [3] })).checkpoint, null);
  assert.equal((await pointOf({ steps: 2, told: [], there: [3], from: '3' })).checkpoint?.name, 'a1-step-3', 'by name');
});

test('rather a gap in the curve than the work of more than one save', async () => {
  assert.equal((await pointOf({ steps: 7, told: [4], there: [8] })).checkpoint?.name, 'a1-step-8');
});
