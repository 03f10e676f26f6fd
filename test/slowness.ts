/**
 * Limits on time, for a machine that may be slow or busy: they hold as written where a fixed piece of work takes what it
 * takes on an idle machine, and are stretched where it takes longer. Knows no test.
 */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Clock = () => number;

const onTheWall: Clock = () => performance.now();
/** What the pieces of work take on the machine that the limits were set on, when nothing else runs there. */
const idleMs = { computing: 70, syncing: 100, filing: 180 };

/** Longer than the limit by no more than this machine is slower now, or was when this was loaded. */
export const isWithin = (ms: number, limitMs: number): boolean =>
  ms <= limitMs || ms <= limitMs * Math.max(atStart, slowness());

/** The same for time that processors spend. */
export const isWithinCpu = (ms: number, limitMs: number): boolean =>
  ms <= limitMs || ms <= (limitMs * timed(compute, cpuMs)) / idleMs.computing;

/** And for work that is mostly calls of the file system: what they cost is the kernel's affair, and a virtual machine's. */
export async function isWithinFilingCpu(ms: number, limitMs: number): Promise<boolean> {
  if (isWithinCpu(ms, limitMs)) return true;
  const started = cpuMs();
  await file();
  return ms <= (limitMs * (cpuMs() - started)) / idleMs.filing;
}

/** Processor time of this process in ms: on a busy machine a clock on the wall says nothing about our code. */
export const cpuMs: Clock = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const atStart = slowness();

function slowness(): number {
  return Math.max(timed(compute, onTheWall) / idleMs.computing, timed(sync, onTheWall) / idleMs.syncing);
}

function timed(work: () => void, clock: Clock): number {
  const started = clock();
  work();
  return clock() - started;
}

function compute(): void {
  const rows = Array.from({ length: 5000 }, (_, i) => ({ i, name: `row ${i}` }));
  let text = JSON.stringify(rows);
  for (let round = 0; round < 40; round++) text = JSON.stringify(JSON.parse(text).reverse());
}

async function file(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-slowness-'));
  const one = join(folder, 'file');
  await writeFile(one, Buffer.alloc(3000));
  for (let round = 0; round < 1000; round++) {
    await stat(one);
    await readFile(one);
  }
  rmSync(folder, { recursive: true });
}

function sync(): void {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-slowness-'));
  const file = openSync(join(folder, 'file'), 'w');
  for (let round = 0; round < 20; round++) {
    writeSync(file, Buffer.alloc(4096));
    fsyncSync(file);
  }
  closeSync(file);
  rmSync(folder, { recursive: true });
}
