/** A disk of limited size in a namespace of its own, so that filling it harms nobody. Linux, where `unshare` may. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const size = '900m';

export const canMount = (): boolean =>
  spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp']).status === 0;

/** Runs a program with a small disk at a folder; its exit code. */
export function onSmallDisk(folder: string, program: string[]): Promise<number> {
  const script = `mount -t tmpfs -o size=${size} tmpfs "$1" && shift && exec "$@"`;
  const child = spawn('unshare', ['-rm', 'sh', '-c', script, 'sh', folder, ...program], { stdio: 'inherit' });
  return new Promise(resolve => child.once('close', code => resolve(code ?? 1)));
}

/** To the last byte. Gives what makes room again. */
export function fill(folder: string): () => void {
  const file = join(folder, 'filler');
  const descriptor = openSync(file, 'a');
  for (const piece of [1024 * 1024, 4096, 1]) {
    const bytes = Buffer.alloc(piece);
    try {
      while (writeSync(descriptor, bytes) === piece);
    } catch {
      // Full for pieces of this size.
    }
  }
  closeSync(descriptor);
  return () => rmSync(file, { force: true });
}
