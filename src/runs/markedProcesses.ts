/**
 * Every process that carries a run's marker in its environment, also those that left its group or session (torchrun's
 * ranks, data loaders). Each is checked again by its start time just before a signal.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { identityOf, isAlive, type ProcessIdentity, signalProcess } from './processIdentity.ts';

const run = promisify(execFile);

const betweenLooksMs = 20;
const mostRounds = 100;
/** At a process that shows no environment: it may be starting a program, or have none for good. */
const mostLooks = 20;

export const markerName = 'HOLDFAST_RUN_MARKER';
/** Of a runner, and so of everything below it. */
export const runnerMarkerName = 'HOLDFAST_RUNNER_MARKER';

/** Kills whatever carries the marker, and `known` too where environments cannot be read. Resolves once none is left. */
export async function killMarked(marker: string, known: ProcessIdentity | null, name = markerName): Promise<void> {
  if (known) await kill(known);
  // A process may fork between the look and the kill.
  let quietLooks = 0;
  for (let round = 0; quietLooks < 2 && round < mostRounds; round++) {
    if (round > 0) await new Promise(resolve => setTimeout(resolve, betweenLooksMs));
    const found = (await findMarked(marker, name)).filter(({ pid }) => pid !== process.pid);
    quietLooks = found.length === 0 ? quietLooks + 1 : 0;
    for (const identity of found) await kill(identity);
  }
}

export async function findMarked(marker: string, name = markerName): Promise<ProcessIdentity[]> {
  const needle = `${name}=${marker}`;
  const pids =
    process.platform === 'linux' ? await linuxPids(needle) : process.platform === 'win32' ? [] : await psPids(needle);
  const identities = await Promise.all(pids.map(identityOf));
  return identities.filter(identity => identity !== null);
}

/** It lives, and is ours: a forged record cannot name somebody else's process, whose environment has no such marker. */
export async function carries(identity: ProcessIdentity, marker: string, name = markerName): Promise<boolean> {
  if ((await isAlive(identity)) !== 'alive') return false;
  // Environments cannot be read there; the start time has to do.
  if (process.platform === 'win32') return true;
  const needle = `${name}=${marker}`;
  const { pid } = identity;
  return (process.platform === 'linux' ? await linuxPids(needle, [String(pid)]) : await psPids(needle)).includes(pid);
}

/** A process that starts a program shows no environment for a moment, so whoever shows none is looked at again. */
async function linuxPids(needle: string, among = allPids()): Promise<number[]> {
  const found: number[] = [];
  let silent = among;
  for (let look = 0; silent.length > 0 && look < mostLooks; look++) {
    if (look > 0) await new Promise(resolve => setTimeout(resolve, betweenLooksMs));
    silent = silent.filter(pid => {
      const environment = environmentOf(pid);
      if (environment?.split('\0').includes(needle)) found.push(Number(pid));
      return environment === '' && hasProgram(pid);
    });
  }
  return found;
}

const allPids = (): string[] => readdirSync('/proc').filter(name => /^\d+$/.test(name));

/** `null` where there is no such process, or none that we may look at. */
function environmentOf(pid: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return null;
  }
}

/** Zombies and the kernel's own threads have none, and so no environment to wait for. */
function hasProgram(pid: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== '';
  } catch {
    return false;
  }
}

async function psPids(needle: string): Promise<number[]> {
  const { stdout } = await run('ps', ['-E', '-x', '-o', 'pid=,command='], { maxBuffer: 64 * 1024 * 1024 }).catch(
    () => ({
      stdout: '',
    }),
  );
  return stdout
    .split('\n')
    .filter(line => line.split(/\s+/).includes(needle))
    .map(line => Number.parseInt(line, 10))
    .filter(Number.isInteger);
}

async function kill(identity: ProcessIdentity): Promise<boolean> {
  if (process.platform !== 'win32') return signalProcess(identity, 'SIGKILL');
  const now = await identityOf(identity.pid);
  if (now?.startTime !== identity.startTime || identity.pid === process.pid || identity.pid === process.ppid)
    return false;
  return run('taskkill', ['/T', '/F', '/PID', String(identity.pid)]).then(
    () => true,
    () => false,
  );
}
