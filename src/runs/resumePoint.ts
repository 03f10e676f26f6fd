/**
 * Where a run that is over can be taken up: the checkpoints of its curve, newest first, each verified before it is
 * offered. Knows nothing of who asks and of what happens then.
 */
import { join } from 'node:path';
import type { RunState } from '../domain/runState.ts';
import { type CheckpointName, checkpointNamed, damageOf, listCheckpoints } from './checkpointFiles.ts';
import type { RunFolder, RunRequest } from './runFolder.ts';
import { RunsError } from './runsError.ts';

export interface ResumePoint {
  /** `null`: from the start. */
  checkpoint: CheckpointName | null;
  /** Newer ones that cannot be used, and why. */
  damaged: { name: string; damage: string }[];
}

export interface Resumable {
  run: RunFolder;
  request: RunRequest;
  state: RunState;
}

/** `from`: a checkpoint's name or step, `start`, or nothing for the newest that can be used. */
export async function findResumePoint({ run, request, state }: Resumable, from?: string): Promise<ResumePoint> {
  const { offered, isBeforeFirstSave } = await offeredCheckpoints(run, state, request.parent?.checkpoint);
  if (from === 'start') return { checkpoint: null, damaged: [] };
  // What nobody heard of leaves a gap in the curve, and the start is not far: taken only by name.
  if (from === undefined) return newestVerified(run, isBeforeFirstSave ? [] : offered);
  const wanted = offered.find(({ name, step }) => name === from || String(step) === from);
  if (!wanted) throw unknownCheckpoint(run, from, offered);
  const damage = await damageOf(join(run.checkpoints, wanted.name));
  if (damage === null) return { checkpoint: wanted, damaged: [] };
  const older = offered.filter(({ name }) => name !== wanted.name);
  const { checkpoint } = await newestVerified(run, older);
  throw new RunsError('checkpoint-damaged', `The checkpoint ${wanted.name} cannot be used: ${damage}`, {
    file: join(run.checkpoints, wanted.name),
    remedy: `Take up at ${checkpoint ? `${checkpoint.name}, the newest that can be used` : 'the start'}: --from ${checkpoint?.name ?? 'start'}.`,
  });
}

async function newestVerified(run: RunFolder, offered: CheckpointName[]): Promise<ResumePoint> {
  const damaged: ResumePoint['damaged'] = [];
  for (const checkpoint of offered) {
    const damage = await damageOf(join(run.checkpoints, checkpoint.name));
    if (damage === null) return { checkpoint, damaged };
    damaged.push({ name: checkpoint.name, damage });
  }
  return { checkpoint: null, damaged };
}

/**
 * First those the journal tells of: everything before them is in it too, so the curve has no gap. Then what else lies
 * there: a trainer whose runner was killed saves with nobody listening.
 */
async function offeredCheckpoints(
  run: RunFolder,
  state: RunState,
  beginning = '',
): Promise<{ offered: CheckpointName[]; isBeforeFirstSave: boolean }> {
  const there = await listCheckpoints(run.checkpoints);
  const marked = state.marks.flatMap(({ kind, text }) => (kind === 'checkpoint' ? [text] : []));
  const told = [...new Set([beginning, ...marked])].flatMap(name => checkpointNamed(name) ?? []);
  const isThere = ({ name }: CheckpointName) => there.some(checkpoint => checkpoint.name === name);
  const isTold = ({ name }: CheckpointName) => told.some(checkpoint => checkpoint.name === name);
  const untold = there.filter(checkpoint => !isTold(checkpoint) && checkpoint.attempt === state.attempt);
  return { offered: [...told.filter(isThere).reverse(), ...untold.reverse()], isBeforeFirstSave: told.length === 0 };
}

function unknownCheckpoint(run: RunFolder, from: string, offered: CheckpointName[]): RunsError {
  const names = offered.map(({ name }) => name).join(', ');
  const remedy = names ? `There are: ${names}, and start.` : 'There is none: only start.';
  return new RunsError('unknown-checkpoint', `${run.id} has no checkpoint "${from.slice(0, 80)}"`, {
    file: run.checkpoints,
    remedy,
  });
}
