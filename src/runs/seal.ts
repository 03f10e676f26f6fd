/**
 * The seal on a request: an HMAC with a key that only this user can read. A run folder that came with a repository may
 * hold any request; without the seal it is shown and never run.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { holdfastHome } from './home.ts';
import type { RunRequest } from './runFolder.ts';
import { fromSystem, systemCode } from './runsError.ts';
import { readFileChecked } from './safeFile.ts';

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

async function readKey(create: boolean): Promise<string> {
  const file = join(holdfastHome(), 'seal.key');
  if (create) await makeKey(file);
  const key = await readFileChecked(file, 1024);
  if (!key) throw new Error(`${file} is missing or empty`);
  return key;
}

async function makeKey(file: string): Promise<void> {
  try {
    await mkdir(holdfastHome(), { recursive: true });
    const handle = await open(file, 'wx', 0o600);
    await handle.writeFile(randomBytes(32).toString('hex'));
    await handle.close();
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw fromSystem(error, file, 'writing');
  }
}
