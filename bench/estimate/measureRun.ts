/**
 * Runs the trainer program on a recipe and measures its process: resident size before it reads anything, its peak, and
 * seconds a step. Knows nothing of estimates. Linux only: sizes are those of /proc.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { StartCommand, TrainerEvent } from '../../src/protocol/trainer.ts';

export interface Told {
  event: TrainerEvent;
  /** Resident size when it was said, and the largest so far. */
  bytes: number;
  peakBytes: number;
}

export interface Asking {
  /** Default: an empty one. */
  cache?: string;
  isEnough?: (told: Told) => boolean;
}

/** What a trainer says on one job, with what it held, to the end or until it has said enough. */
export async function askTrainer(
  program: string,
  start: Pick<StartCommand, 'job' | 'recipe' | 'paths' | 'threads'>,
  { cache, isEnough = () => false }: Asking = {},
): Promise<Told[]> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'], cwd: folder });
  try {
    const [checkpoints, items, samples, model, empty] = ['checkpoints', 'items', 'samples', 'model', 'cache'].map(
      name => join(folder, name),
    ) as [string, string, string, string, string];
    const outputs = { checkpoints, items, samples, model, cache: cache ?? empty };
    const told: Told[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as TrainerEvent;
      told.push({ event, ...(await sizesOf(child.pid!)) });
      if (isEnough(told.at(-1)!)) break;
      if (event.type === 'hello') {
        child.stdin.write(`${JSON.stringify({ type: 'start', attempt: 1, outputs, ...start })}\n`);
      }
      if (event.type === 'failed') throw new Error(`${event.message} ${event.remedy ?? ''}`);
      if (event.type === 'finished') child.stdin.end();
    }
    return told;
  } finally {
    child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function sizesOf(pid: number): Promise<{ bytes: number; peakBytes: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return { bytes: 1024 * kilobytes('VmRSS'), peakBytes: 1024 * kilobytes('VmHWM') };
}
