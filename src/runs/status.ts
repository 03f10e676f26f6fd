/**
 * What a run is doing, derived from its files and from the processes they name. Never stored: alive = heartbeat or
 * process of the present attempt; else that attempt's exit.json; neither: lost.
 */
import { hostname } from 'node:os';
import type { RunStatus } from '../protocol/result.ts';
import { newestAttempt, pendingResume } from './attempts.ts';
import { ControlReader } from './control.ts';
import { isAlive } from './processIdentity.ts';
import type { Heartbeat, RunExit, RunFolder, RunProcess, RunResume } from './runFolder.ts';
import { RunsError } from './runsError.ts';

/** Heartbeats come every 5 s. */
const silentAfterMs = 15_000;
const trainerSilentAfterMs = 60_000;

export interface StatusOfRun {
  status: RunStatus;
  /** In words; empty while all is well. */
  reason: string;
  attempt: number;
  /** Last step anyone told of. */
  step: number;
  process: RunProcess | null;
  exit: RunExit | null;
  heartbeat: Heartbeat | null;
}

export const isOver = (status: RunStatus): boolean => ['finished', 'stopped', 'failed', 'lost'].includes(status);

export async function statusOf(run: RunFolder, now = Date.now()): Promise<StatusOfRun> {
  try {
    const [process, exit, heartbeat] = await Promise.all([run.process(), run.exit(), run.heartbeat()]);
    const pending = await pendingResume(run, process, exit);
    if (pending) return await waiting(run, pending, process, exit);
    const attempt = newestAttempt(process, exit);
    const ofAttempt = (found: RunExit | null) => (found && found.attempt >= attempt ? found : null);
    const known = ofAttempt(exit);
    const runner = process && !known ? await isAlive(process.runner.identity) : null;
    // It may have ended between our two looks.
    const ended = known ?? (runner === 'gone' ? ofAttempt(await run.exit()) : null);
    const beat = heartbeat && heartbeat.attempt === attempt ? heartbeat : null;
    const step = ended?.lastStep ?? beat?.step ?? 0;
    const [status, reason] = ended
      ? ([ended.outcome, ended.reason] as const)
      : await judge(run, process, runner, beat, now);
    return { status, reason, attempt, step, process, exit: ended, heartbeat: beat };
  } catch (error) {
    if (!(error instanceof RunsError)) throw error;
    const nothing = { attempt: 1, step: 0, process: null, exit: null, heartbeat: null };
    return { status: 'lost', reason: error.message, ...nothing };
  }
}

/** Of a run that is to go on: queued again, at the step it had reached. */
async function waiting(
  run: RunFolder,
  { attempt }: RunResume,
  process: RunProcess | null,
  exit: RunExit | null,
): Promise<StatusOfRun> {
  const known = { attempt, step: exit?.lastStep ?? 0, process, exit: null, heartbeat: null };
  return (await isCancelled(run, attempt))
    ? { ...known, status: 'stopped', reason: cancelled }
    : { ...known, status: 'queued', reason: '' };
}

const cancelled = 'cancelled before it started';

/** Of a run without an exit record. */
async function judge(
  run: RunFolder,
  process: RunProcess | null,
  runner: 'alive' | 'gone' | 'unknown' | null,
  beat: Heartbeat | null,
  now: number,
): Promise<[RunStatus, string]> {
  if (!process) return (await isCancelled(run, 1)) ? ['stopped', cancelled] : ['queued', ''];
  const silentMs = beat ? now - beat.t : now - process.startedAt;
  if (runner === 'gone') {
    return ['lost', 'its runner is gone and left no exit record: the machine or the process was stopped from outside'];
  }
  if (runner === 'unknown' && silentMs > 12 * silentAfterMs) {
    return [
      'lost',
      `no sign of life from ${process.runner.identity.host} for ${Math.round(silentMs / 60_000)} minutes`,
    ];
  }
  if (silentMs > silentAfterMs) return ['stale', `no heartbeat for ${Math.round(silentMs / 1000)} s`];
  if (beat?.paused) return ['paused', ''];
  if (beat && now - beat.trainerSpokeAt > trainerSilentAfterMs) {
    return ['stale', `the trainer has said nothing for ${Math.round((now - beat.trainerSpokeAt) / 1000)} s`];
  }
  return ['running', runner === 'unknown' ? `on ${process.runner.identity.host}, seen from ${hostname()}` : ''];
}

/** A stop for an attempt that no runner has taken yet. */
export async function isCancelled(run: RunFolder, attempt: number): Promise<boolean> {
  const commands = await new ControlReader(run).next();
  return commands.some(command => command.type === 'stop' && command.attempt === attempt);
}
