/**
 * Trainers whose runner was killed. The end of their input tells them to save and leave; what has not left after the
 * grace time is ended, so that never two train one run. Asked before anybody takes up a dead runner's run.
 */
import { carries, findMarked, killMarked } from './markedProcesses.ts';
import { isAlive } from './processIdentity.ts';
import type { RunFolder } from './runFolder.ts';

const defaultGraceMs = 10_000;
/** Saving a large state takes its time. */
const patience = 3;

/** Resolves once nothing of a run whose runner is gone is left; at once for any other run. True when there was something. */
export async function endOrphan(run: RunFolder, graceMs = defaultGraceMs): Promise<boolean> {
  const [process, exit] = await Promise.all([run.process(), run.exit()]).catch(() => [null, null]);
  if (!process?.trainer || (exit && exit.attempt >= process.attempt)) return false;
  if ((await isAlive(process.runner.identity)) !== 'gone') return false;
  const { identity, marker } = process.trainer;
  const isLeading = await carries(identity, marker);
  // What it started may live on without it.
  if (!isLeading && (await findMarked(marker)).length === 0) return false;
  const until = Date.now() + graceMs * patience;
  while (isLeading && (await isAlive(identity)) === 'alive' && Date.now() < until)
    await new Promise(after => setTimeout(after, 100));
  await killMarked(marker, null);
  return true;
}
