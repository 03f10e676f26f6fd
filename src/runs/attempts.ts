/**
 * Which attempt a run is at. A run goes on in the same folder: attempt 2, 3, …; `process.json`, `exit.json` and
 * `heartbeat` speak of the newest, and `resume.json` asks for one more.
 */
import type { RunExit, RunFolder, RunProcess, RunResume } from './runFolder.ts';

/** The attempt that is asked for and not begun yet. A request that cannot be read asks for nothing. */
export async function pendingResume(
  run: RunFolder,
  process: RunProcess | null,
  exit: RunExit | null,
): Promise<RunResume | null> {
  const resume = await run.resume().catch(() => null);
  return resume && resume.attempt > newestAttempt(process, exit) ? resume : null;
}

/** Begun or over; 1 for a run that nobody has taken yet. */
export function newestAttempt(process: RunProcess | null, exit: RunExit | null): number {
  return Math.max(process?.attempt ?? 1, exit?.attempt ?? 1);
}

/** The one that a command is meant for: the pending one, else the newest. */
export async function presentAttempt(run: RunFolder): Promise<number> {
  const [process, exit] = await Promise.all([run.process(), run.exit()]);
  return (await pendingResume(run, process, exit))?.attempt ?? newestAttempt(process, exit);
}
