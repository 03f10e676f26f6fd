/**
 * How much memory a process may still take here: what the system can give without swapping, and what the containers
 * around it leave. Knows nothing of what it is wanted for.
 */
import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';

export interface MemorySources {
  platform: string;
  proc: string;
  cgroups: string;
}

const here: MemorySources = { platform: process.platform, proc: '/proc', cgroups: '/sys/fs/cgroup' };

export function freeMemory({ platform, proc, cgroups }: MemorySources = here): number {
  if (platform === 'linux') return Math.min(available(proc), ...limits(proc, cgroups));
  // macOS counts as free only what holds nothing at all, not the cache that it gives up at once.
  return platform === 'darwin' ? totalmem() : freemem();
}

function available(proc: string): number {
  const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(textOf(join(proc, 'meminfo')))?.[1];
  return kilobytes === undefined ? freemem() : 1024 * Number(kilobytes);
}

/** What each control group around this process leaves, its own and those above it, of both versions. */
function limits(proc: string, cgroups: string): number[] {
  const left: number[] = [];
  for (const line of textOf(join(proc, 'self/cgroup')).split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined || (controllers !== '' && !controllers!.split(',').includes('memory'))) continue;
    const isNew = controllers === '';
    for (const group of groupsUpFrom(path)) {
      left.push(leftIn(join(cgroups, isNew ? '' : 'memory', group), isNew ? newNames : oldNames));
    }
  }
  return left;
}

const newNames = { limit: 'memory.max', used: 'memory.current', cache: 'inactive_file' };
const oldNames = { limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes', cache: 'total_inactive_file' };

/** Files that were read count as used, but are given up for what asks. */
function leftIn(folder: string, names: typeof newNames): number {
  const [limit, used] = [textOf(join(folder, names.limit)), textOf(join(folder, names.used))].map(text => text.trim());
  if (!/^\d+$/.test(limit!) || !/^\d+$/.test(used!)) return Number.POSITIVE_INFINITY;
  const stat = textOf(join(folder, 'memory.stat'));
  const cache = Number(new RegExp(`^${names.cache} (\\d+)`, 'm').exec(stat)?.[1] ?? 0);
  return Math.max(0, Number(limit) - Number(used) + cache);
}

/** `/a/b` → `/a/b`, `/a`, `/`. Within a container the path may be one of outside; then the root is what is seen. */
function groupsUpFrom(path: string): string[] {
  const parts = path.split('/').filter(part => part !== '' && part !== '..');
  return Array.from({ length: parts.length + 1 }, (_, i) => parts.slice(0, parts.length - i).join('/'));
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
