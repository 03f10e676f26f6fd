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
  /** Newer ones of which the journal does not tell: the curve would have a gap. Taken only by name. */
  untold: CheckpointName[];
}

export interface Resumable {
  run: RunFolder;
  request: RunRequest;
  state: RunState;
}

/** `from`: a checkpoint's name or step, `start`, or nothing for the newest that can be used. */
export async function findResumePoint({ run, request, state }: Resumable, from?: string): Promise<ResumePoint> {
  const { told, untold, hasSaved } = await checkpointsOf(run, state, request.parent?.checkpoint);
  const offered = [...told, ...untold];
  if (from === 'start') return { checkpoint: null, damaged: [], untold: [] };
  if (from === undefined) {
    // Before the first save that was heard of the start is not far.
    const { checkpoint, damaged } = await newestVerified(run, hasSaved ? offered : []);
    return { checkpoint, damaged, untold: untold.filter(({ step }) => step > (checkpoint?.step ?? 0)) };
  }
  const wanted = offered.find(({ name, step }) => name === from || String(step) === from);
  if (!wanted) throw unknownCheckpoint(run, from, offered);
  const damage = await damageOf(join(run.checkpoints, wanted.name));
  if (damage === null) return { checkpoint: wanted, damaged: [], untold: [] };
  const older = offered.filter(({ name }) => name !== wanted.name);
  const { checkpoint } = await newestVerified(run, older);
  throw new RunsError('checkpoint-damaged', `The checkpoint ${wanted.name} cannot be used: ${damage}`, {
    file: join(run.checkpoints, wanted.name),
    remedy: `Take up at ${checkpoint ? `${checkpoint.name}, the newest that can be used` : 'the start'}: --from ${checkpoint?.name ?? 'start'}.`,
  });
}

async function newestVerified(run: RunFolder, offered: CheckpointName[]): Promise<Omit<ResumePoint, 'untold'>> {
  const damaged: ResumePoint['damaged'] = [];
  for (const checkpoint of offered) {
    const damage = await damageOf(join(run.checkpoints, checkpoint.name));
    if (damage === null) return { checkpoint, damaged };
    damaged.push({ name: checkpoint.name, damage });
  }
  return { checkpoint: null, damaged };
}

/**
 * Newest first. Those the journal tells of come before what else lies there: everything before them is in it too, so the curve
 * has no gap. A trainer whose runner was killed saves with nobody listening.
 */
async function checkpointsOf(
  run: RunFolder,
  state: RunState,
  beginning = '',
): Promise<{ told: CheckpointName[]; untold: CheckpointName[]; hasSaved: boolean }> {
  const there = await listCheckpoints(run.checkpoints);
  const marked = state.marks.flatMap(({ kind, text }) => (kind === 'checkpoint' ? [text] : []));
  const names = [...new Set([beginning, ...marked])].filter(name => checkpointNamed(name));
  const told = names.flatMap(name => there.find(checkpoint => checkpoint.name === name) ?? []);
  const untold = there.filter(({ name, attempt }) => !names.includes(name) && attempt === state.attempt);
  return { told: told.reverse(), untold: untold.reverse(), hasSaved: names.length > 0 };
}

function unknownCheckpoint(run: RunFolder, from: string, offered: CheckpointName[]): RunsError {
  const names = offered.map(({ name }) => name).join(', ');
  const remedy = names ? `There are: ${names}, and start.` : 'There is none: only start.';
  return new RunsError('unknown-checkpoint', `${run.id} has no checkpoint "${from.slice(0, 80)}"`, {
    file: run.checkpoints,
    remedy,
  });
}
