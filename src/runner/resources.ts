/** What the trainer takes of the machine: resident memory, and the GPUs' load where nvidia-smi is present. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
let hasNvidiaSmi = true;

export async function sampleResources(pid: number | undefined): Promise<Record<string, number>> {
  const [memory, gpus] = await Promise.all([pid === undefined ? null : residentBytes(pid), sampleGpus()]);
  return { ...(memory !== null && { memoryBytes: memory }), ...gpus };
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
