import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { sampleResources } from '../../src/runner/resources.ts';

const linux = { skip: process.platform !== 'linux' && 'only Linux tells of children' };

test('the memory of a trainer is that of its largest process: a program that it started counts', linux, async t => {
  // The child holds 200 MB more than its parent and says so once it does.
  const large = `globalThis.held = Buffer.alloc(200e6, 1); console.log('held'); setInterval(() => {}, 1e6);`;
  const parent = spawn(
    process.execPath,
    [
      '-e',
      `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(large)}], { stdio: 'inherit' })`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], detached: true },
  );
  t.after(() => process.kill(-parent.pid!, 'SIGKILL'));
  await once(parent.stdout, 'data');
  const { memoryBytes } = await sampleResources(parent.pid);
  assert.ok(memoryBytes! > 200e6, `${memoryBytes} bytes`);
});
