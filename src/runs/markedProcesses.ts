/**
 * Every process that carries a run's marker in its environment, also those that left its group or session (torchrun's
 * ranks, data loaders). Each is checked again by its start time just before a signal.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { identityOf, type ProcessIdentity, signalProcess } from './processIdentity.ts';

const run = promisify(execFile);

export const markerName = 'HOLDFAST_RUN_MARKER';

/** Kills whatever carries the marker, and `known` too where environments cannot be read. Resolves to how many. */
export async function killMarked(marker: string, known: ProcessIdentity | null): Promise<number> {
  const killed = new Set<string>();
  // A process may fork between the look and the kill: look again until nothing new is found.
  for (let round = 0; round < 5; round++) {
    const found = [...(await findMarked(marker)), ...(round === 0 && known ? [known] : [])];
    const others = found.filter(({ pid, startTime }) => pid !== process.pid && !killed.has(`${pid} ${startTime}`));
    if (others.length === 0) break;
    for (const identity of others) if (await kill(identity)) killed.add(`${identity.pid} ${identity.startTime}`);
  }
  return killed.size;
}

export async function findMarked(marker: string): Promise<ProcessIdentity[]> {
  const needle = `${markerName}=${marker}`;
  const pids =
    process.platform === 'linux' ? linuxPids(needle) : process.platform === 'win32' ? [] : await psPids(needle);
  const identities = await Promise.all(pids.map(identityOf));
  return identities.filter(identity => identity !== null);
}

function linuxPids(needle: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(name => {
      try {
        return readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(needle);
      } catch {
        return false;
      }
    })
    .map(Number);
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
