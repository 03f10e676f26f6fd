/** Asks a run that is under way to pause, to go on after a pause, or to write a checkpoint now. */
import type { RunStatus } from '../protocol/result.ts';
import { sendControl } from './control.ts';
import type { RunFolder } from './runFolder.ts';
import { RunsError } from './runsError.ts';
import { type StatusOfRun, statusOf } from './status.ts';

export type Steering = 'pause' | 'resume' | 'checkpoint';

const possible: Record<Steering, ReadonlySet<RunStatus>> = {
  pause: new Set(['running', 'stale']),
  resume: new Set(['paused']),
  checkpoint: new Set(['running', 'stale', 'paused']),
};

/** Resolves to the status before. Throws when the run is at no point where that makes sense. */
export async function steerRun(run: RunFolder, steering: Steering): Promise<StatusOfRun> {
  const before = await statusOf(run);
  if (possible[steering].has(before.status)) {
    await sendControl(run, steering);
    return before;
  }
  const why = before.reason ? `: ${before.reason}` : '';
  throw new RunsError('not-under-way', `${run.id} is ${before.status}${why}`, { remedy: remedies[steering] });
}

const remedies: Record<Steering, string> = {
  pause: 'Only a run that is under way can pause; a queued one can be stopped.',
  resume: 'A run that is over goes on with: holdfast resume',
  checkpoint: 'Only a run that is under way writes checkpoints.',
};
