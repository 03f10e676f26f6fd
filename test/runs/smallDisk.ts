/** Runs a program of the tests with a small disk of its own: a tmpfs in a user and mount namespace. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './testStore.ts';

const canMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp']).status === 0;
export const noSmallDisk = canMount ? false : 'no user namespaces with tmpfs on this machine';

/** Resolves to what the program printed; rejects with its last words when it fails or takes too long. */
export function onSmallDisk(program: URL, kilobytes: number, told: string[], limitMs: number): Promise<string> {
  const disk = temporaryFolder('disk');
  const mount = `mount -t tmpfs -o size=${kilobytes}k tmpfs "$1" && shift && exec "$@"`;
  const node = [process.execPath, '--import', 'tsx', fileURLToPath(program), disk, ...told];
  const child = spawn('unshare', ['-rm', 'sh', '-c', mount, 'sh', disk, ...node], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  let [printed, complained] = ['', ''];
  child.stdout.on('data', chunk => {
    printed += chunk;
  });
  child.stderr.on('data', chunk => {
    complained += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', code => {
      if (code === 0) resolve(printed);
      else reject(new Error(`${program} left with ${code ?? 'no code: it took too long'}\n${complained.slice(-4000)}`));
    });
  });
}

/** Grows a file until there is no room for one byte more. */
export function fillUp(filler: string): void {
  const descriptor = openSync(filler, 'a');
  try {
    for (const piece of [64 * 1024, 4096, 1]) {
      const bytes = Buffer.alloc(piece);
      while (writes(descriptor, bytes));
    }
  } finally {
    closeSync(descriptor);
  }
}

function writes(descriptor: number, bytes: Buffer): boolean {
  try {
    return writeSync(descriptor, bytes) === bytes.length;
  } catch {
    return false;
  }
}
