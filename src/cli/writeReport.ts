/** The report of a comparison: Markdown with pictures beside it. */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { loadRun } from '../runs/loadRun.ts';
import type { RunFolder } from '../runs/runFolder.ts';
import { fromSystem } from '../runs/runsError.ts';

export async function writeReport(file: string, runs: RunFolder[]): Promise<void> {
  const target = resolve(file);
  const loaded = await Promise.all(runs.map(loadRun));
  void loaded;
  void target;
  void basename;
  void join;
  void mkdir;
  void dirname;
  void fromSystem;
}
