/**
 * What the trainer takes of the machine: resident memory of its largest process, which may be a child's, and the GPUs' load
 * where nvidia-smi is present.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
let hasNvidiaSmi = true;

export async function sampleResources(pid: number | undefined): Promise<Record<string, number>> {
  const [memory, gpus] = await Promise.all([pid === undefined ? null : largestBytes(pid), sampleGpus()]);
  return { ...(memory !== null && { memoryBytes: memory }), ...gpus };
}

/** A sum would count what processes share once for each. */
async function largestBytes(pid: number): Promise<number | null> {
  const own = await residentBytes(pid);
  const below = await Promise.all((await childrenOf(pid)).map(largestBytes));
  return below.reduce((most, bytes) => ((bytes ?? 0) > (most ?? 0) ? bytes : most), own);
}

/** None where the system does not tell. */
async function childrenOf(pid: number): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  try {
    const threads = await readdir(`/proc/${pid}/task`);
    const lists = await Promise.all(threads.map(thread => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8')));
    return lists.join(' ').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

async function residentBytes(pid: number): Promise<number | null> {
  try {
    if (process.platform === 'linux') {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024 || null;
    }
    if (process.platform === 'win32') return null;
    const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
    return Number(stdout.trim()) * 1024 || null;
  } catch {
    return null;
  }
}

async function sampleGpus(): Promise<Record<string, number>> {
  if (!hasNvidiaSmi) return {};
  try {
    const query = ['--query-gpu=index,utilization.gpu,memory.used', '--format=csv,noheader,nounits'];
    const { stdout } = await run('nvidia-smi', query, { timeout: 2000, windowsHide: true });
    const rows = stdout
      .trim()
      .split('\n')
      .map(row => row.split(',').map(Number));
    const metrics = rows.flatMap(([index, load, megabytes]): [string, number][] => [
      [`gpu${index}.load`, (load ?? 0) / 100],
      [`gpu${index}.memoryBytes`, (megabytes ?? 0) * 1024 * 1024],
    ]);
    // What a card does not tell reads "[N/A]".
    return Object.fromEntries(metrics.filter(([, value]) => Number.isFinite(value)));
  } catch {
    hasNvidiaSmi = false;
    return {};
  }
}
