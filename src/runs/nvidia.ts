/** Whether there is an NVIDIA GPU here, as its driver says. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

/** Name and memory of each. */
export async function nvidiaGpus(): Promise<string[]> {
  try {
    const query = ['--query-gpu=name,memory.total', '--format=csv,noheader'];
    const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: 5000 });
    return stdout.trim().split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

/** Without starting anything: by what the driver makes on Linux. */
export const hasNvidiaDriver = (): boolean => existsSync('/proc/driver/nvidia/version') || existsSync('/dev/nvidiactl');
