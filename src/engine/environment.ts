/** What a run runs on, for its record. */
import { arch, cpus, platform, totalmem } from 'node:os';
import { engineName, numericsVersion } from './numerics.ts';

export function environment(threads?: number): Record<string, string> {
  const cores = cpus();
  return {
    engine: engineName,
    numerics: numericsVersion,
    node: process.versions.node,
    platform: `${platform()} ${arch()}`,
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: String(cores.length),
    threads: threads === undefined ? 'all' : String(threads),
    memoryBytes: String(totalmem()),
  };
}

/** Largest resident size so far. */
export function peakMemoryBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}
