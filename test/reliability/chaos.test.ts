/** Everything bad at once, to real runs: the short arm of `npm run chaos`, in a process of its own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { count } from '../counts.ts';
import { testSeed } from './seed.ts';

const program = fileURLToPath(new URL('../../bench/chaos.ts', import.meta.url));
const minutes = count(0.25, 10);
const seed = testSeed(5);

test(`after ${minutes} minutes of kills, freezes, full disks and flipped bits each run equals its undisturbed twin or says why not`, async t => {
  const words = ['--minutes', String(minutes), '--seed', String(seed), '--recipes', String(count(1, 3))];
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout) output += chunk;
  const code = child.exitCode ?? (await new Promise<number | null>(resolve => child.once('close', resolve)));
  assert.equal(code, 0, output);
  const rows = [...output.matchAll(/^\| (.+) \| (.+) \|$/gm)].slice(1).map(([, what, found]) => `${what}: ${found}`);
  assert.ok(rows.length > 8, output);
  t.diagnostic(`chaos, seed ${seed}: ${rows.join(', ').replaceAll('*', '')}`);
});
