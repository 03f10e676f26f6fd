/**
 * Ends what a test started, also what went its own way: a detached runner is in no process group of ours, but carries our
 * environment. Knows nothing of VS Code. Off Linux, where the environment of others cannot be read, finds nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Name of the variable that marks every process of one test. Its value is the test's own folder. */
export const markerName = 'HOLDFAST_TEST_MARKER';

/** What was killed may be slow to go where much memory is to be given back. */
const patienceMs = 60_000;

export interface MarkedProcess {
  pid: number;
  command: string;
}

/** Living processes whose environment holds this marker or one below it, this process left out. */
export function markedProcesses(marker: string): MarkedProcess[] {
  if (process.platform !== 'linux') return [];
  const wanted = `${markerName}=${marker}`;
  const below = `${wanted}/`;
  const found: MarkedProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (
        !readFileSync(`/proc/${pid}/environ`, 'utf8')
          .split('\0')
          .some(entry => entry === wanted || entry.startsWith(below))
      )
        continue;
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
      if (command) found.push({ pid, command });
    } catch {
      // Gone meanwhile, or not ours to read.
    }
  }
  return found;
}

/** Asks, waits, then kills. Resolves once none is left. */
export async function endMarked(marker: string, graceMs = 5000): Promise<void> {
  signalAll(marker, 'SIGTERM');
  const deadline = Date.now() + graceMs;
  // One that is just starting a program shows no environment: a single quiet look says little.
  for (let quietLooks = 0; quietLooks < 2; await sleep(50)) {
    quietLooks = markedProcesses(marker).length === 0 ? quietLooks + 1 : 0;
    if (Date.now() > deadline) signalAll(marker, 'SIGKILL');
    if (Date.now() > deadline + patienceMs) throw new Error(`Processes of ${marker} do not end`);
  }
}

export function signalAll(marker: string, signal: NodeJS.Signals): void {
  for (const { pid } of markedProcesses(marker)) {
    try {
      process.kill(pid, signal);
    } catch {
      // Ended between the look and the signal.
    }
  }
}
