/**
 * Trainers whose runner was killed. The end of their input tells them to save and leave; what has not left after the
 * grace time is ended, so that never two train one run. Asked before anybody takes up a dead runner's run.
 */
import { findMarked, killMarked } from './markedProcesses.ts';
import { isAlive, type ProcessIdentity } from './processIdentity.ts';
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
  if (!(await isOurs(identity, marker))) return false;
  const until = Date.now() + graceMs * patience;
  while ((await isAlive(identity)) === 'alive' && Date.now() < until)
    await new Promise(after => setTimeout(after, 100));
  await killMarked(marker, null);
  return true;
}

/** The marker is in its environment: a forged process.json cannot name somebody else's process. */
async function isOurs(identity: ProcessIdentity, marker: string): Promise<boolean> {
  if ((await isAlive(identity)) !== 'alive') return false;
  // Environments cannot be read there; the start time has to do.
  if (process.platform === 'win32') return true;
  return (await findMarked(marker)).some(({ pid }) => pid === identity.pid);
}
