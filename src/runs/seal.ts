/**
 * The seal on a request: an HMAC with a key that only this user can read. A run folder that came with a repository may
 * hold any request; without the seal it is shown and never run.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, lstatSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { holdfastHome } from './home.ts';
import type { RunRequest } from './runFolder.ts';
import { fromSystem } from './runsError.ts';
import { readFileChecked, syncFolder } from './safeFile.ts';
import { makeFileWhole, makeFolder } from './wholeFile.ts';

export async function sealRequest(request: Omit<RunRequest, 'seal'>, store: string): Promise<RunRequest> {
  return { ...request, seal: sealOf(request, store, await readKey(true)) };
}

/** Was it made by this user, for this store? */
export async function isSealed(request: RunRequest, store: string): Promise<boolean> {
  const key = await readKey(false).catch(() => null);
  if (!key) return false;
  const { seal, ...rest } = request;
  const expected = Buffer.from(sealOf(rest, store, key));
  const given = Buffer.from(seal);
  return expected.length === given.length && timingSafeEqual(expected, given);
}

function sealOf(request: Omit<RunRequest, 'seal'>, store: string, key: string): string {
  return createHmac('sha256', key).update(canonical({ store, request })).digest('hex');
}

/** Keys sorted, so that the order in the file does not matter. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`)
    .join(',')}}`;
}

/** As last read: a list of runs asks for it ten thousand times. */
let known: { stamp: string; key: string } | undefined;

async function readKey(create: boolean): Promise<string> {
  const file = join(holdfastHome(), 'seal.key');
  if (create) await makeKey(file);
  const stamp = stampOf(file);
  if (known && known.stamp === stamp) return known.key;
  const key = await readFileChecked(file, 1024);
  if (!key) throw new Error(`${file} is missing or empty`);
  known = { stamp, key };
  return key;
}

function stampOf(file: string): string {
  const { ino, ctimeMs, size } = lstatSync(file);
  return [file, ino, ctimeMs, size].join(' ');
}

/** Durable before anything is sealed with it: without its key a run is nobody's. */
async function makeKey(file: string): Promise<void> {
  const home = dirname(file);
  try {
    if (existsSync(file)) return;
    await mkdir(dirname(home), { recursive: true });
    await makeFolder(home);
    await makeFileWhole(file, randomBytes(32).toString('hex'), 0o600);
    await syncFolder(home);
  } catch (error) {
    throw fromSystem(error, file, 'writing');
  }
}
