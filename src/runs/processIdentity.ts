/**
 * Who a process is. A pid alone is never an identity: pids are reused within seconds. A process is the same when pid,
 * start time and boot id are equal.
 */
import { execFile } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { promisify } from 'node:util';
import * as z from 'zod';

const run = promisify(execFile);

export const processIdentitySchema = z.object({
  pid: z.number().int().min(2).max(0x7fffffff),
  /** Opaque; equal for the same process, different after a reuse of the pid. */
  startTime: z.string().max(64),
  bootId: z.string().max(128),
  host: z.string().max(256),
});
export type ProcessIdentity = z.infer<typeof processIdentitySchema>;

let bootIdCache: Promise<string> | undefined;

export function bootId(): Promise<string> {
  bootIdCache ??= findBootId();
  return bootIdCache;
}

/** `null` when there is no such process now. */
export async function identityOf(pid: number): Promise<ProcessIdentity | null> {
  const startTime = await startTimeOf(pid);
  if (startTime === null) return null;
  return { pid, startTime, bootId: await bootId(), host: hostname() };
}

export async function ownIdentity(): Promise<ProcessIdentity> {
  const identity = await identityOf(process.pid);
  if (!identity) throw new Error('this process cannot find itself');
  return identity;
}

/** `unknown` for another machine, or a container of this one: a pid there says nothing here. */
export async function isAlive(identity: ProcessIdentity): Promise<'alive' | 'gone' | 'unknown'> {
  const here = await bootId();
  // The very same boot and process table: also when the machine has another name by now.
  const isHere = identity.bootId === here && (identity.host === hostname() || !vague.has(here));
  if (!isHere) {
    const isSameKernel = kernelOf(identity.bootId) === kernelOf(here) && !vague.has(here);
    return isSameKernel || identity.host !== hostname() ? 'unknown' : 'gone';
  }
  const startTime = await startTimeOf(identity.pid);
  return startTime === identity.startTime ? 'alive' : 'gone';
}

export async function isOfThisBoot(identity: ProcessIdentity): Promise<boolean> {
  return kernelOf(identity.bootId) === kernelOf(await bootId());
}

/** Boot ids that several machines have. */
const vague = new Set(['unknown', 'windows']);

/** "4f7c… pid:[4026531836]" → "4f7c…". */
const kernelOf = (id: string): string => id.split(' ')[0] ?? '';

/** Sends a signal only to the very process that is meant; never to ourselves, our parent or a group. */
export async function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  const { pid } = identity;
  if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid || pid === process.ppid) return false;
  if ((await isAlive(identity)) !== 'alive') return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

async function startTimeOf(pid: number): Promise<string | null> {
  if (!Number.isInteger(pid) || pid <= 0) return null;
  if (process.platform === 'linux') return linuxStartTime(pid);
  try {
    if (process.platform === 'win32') {
      const script = `(Get-Process -Id ${pid}).StartTime.ToFileTimeUtc()`;
      const { stdout } = await run('powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', script]);
      return stdout.trim() || null;
    }
    const { stdout } = await run('ps', ['-o', 'lstart=,stat=', '-p', String(pid)], { env: { LC_ALL: 'C' } });
    const found = /^(.*\S)\s+(\S+)\s*$/.exec(stdout);
    return found && !found[2]!.startsWith('Z') ? found[1]! : null;
  } catch {
    return null;
  }
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot. A zombie is gone. */
function linuxStartTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

async function findBootId(): Promise<string> {
  try {
    // Containers share the kernel's boot, and each has a table of processes of its own.
    if (process.platform === 'linux') {
      return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
    }
    // Its time of boot moves when the clock is set; a start time there is unique by itself.
    if (process.platform === 'win32') return 'windows';
    return (await run('sysctl', ['-n', 'kern.bootsessionuuid'])).stdout.trim();
  } catch {
    return 'unknown';
  }
}
