/** Nothing of ours listens: not the command line, not the runner, not the trainer, at any look while a real run trains. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { isOver, statusOf } from '../../src/runs/status.ts';
import { findStore } from '../../src/runs/store.ts';
import { makeTinyFiles } from '../engine/support/tinyRun.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { ownHome, temporaryFolder, testEngine, until } from '../runs/testStore.ts';

ownHome();

const offLinux = process.platform === 'linux' ? false : 'sockets of other processes are read from /proc';

test('no program of ours listens while a run trains', { skip: offLinux }, async t => {
  const { folder } = await makeTinyFiles();
  const recipe = join(folder, 'quiet.tune.yaml');
  const text = [
    'model: model',
    'data: { train: train.jsonl, eval: eval.jsonl }',
    'retain: { probes: { general: { file: general.txt } } }',
    'train: { max_steps: 60, batch_size: 4, max_length: 32 }',
    'evaluate: { every: 20, items: 8 }',
    'checkpoint: { every: 20 }',
  ];
  writeFileSync(recipe, `${text.join('\n')}\n`);
  const trainer = JSON.stringify([bundle(resolve('src/engine/main.ts'), 'trainer')]);
  const cli = spawn(process.execPath, [join(testEngine(), 'cli.cjs'), 'run', recipe, '--json'], {
    cwd: folder,
    env: { ...process.env, HOLDFAST_TRAINER: trainer },
    stdio: 'ignore',
  });
  process.once('exit', () => cli.kill('SIGKILL'));
  const over = new Promise(done => cli.once('close', done));
  const store = findStore(recipe);
  const id = await until('the run', async () => (await store.runIds())[0]);
  const seen = new Set<number>();
  const listening: string[] = [];
  let looks = 0;
  await until('its end', async () => {
    const { status, process: record } = await statusOf(store.run(id));
    const pids = [cli.pid, record?.runner.identity.pid, record?.trainer?.identity.pid].filter(pid => pid !== undefined);
    for (const pid of pids) seen.add(pid);
    listening.push(...pids.flatMap(listeningSockets));
    looks += 1;
    return isOver(status);
  });
  await over;
  assert.equal((await statusOf(store.run(id))).status, 'finished');
  assert.ok(seen.size >= 3, `saw ${seen.size} programs`);
  assert.deepEqual(listening, []);
  t.diagnostic(`C10 ${looks} looks at ${seen.size} programs of a real run: 0 listening sockets`);
});

test('a program that listens is noticed, on a port and on a path', { skip: offLinux }, async () => {
  const code = `const server = place => require('node:net').createServer().listen(place, () => console.log('up'));
    server(0, '127.0.0.1'); server(${JSON.stringify(join(temporaryFolder('socket'), 's'))});`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  await until('two listening sockets', () => listeningSockets(child.pid!).length === 2);
  child.kill('SIGTERM');
});

/** Of one process: the inodes of its descriptors that the kernel lists as listening. */
function listeningSockets(pid: number): string[] {
  try {
    const folder = `/proc/${pid}/fd`;
    const inodes = readdirSync(folder).flatMap(
      name => /^socket:\[(\d+)\]$/.exec(linkOf(join(folder, name)))?.[1] ?? [],
    );
    return inodes.filter(inode => listeningInodes(pid).has(inode)).map(inode => `${pid} socket ${inode}`);
  } catch {
    return [];
  }
}

/** State 0A is LISTEN; flag 00010000 of a Unix socket says that it accepts. */
function listeningInodes(pid: number): Set<string> {
  const rows = (name: string) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8').trim().split('\n').slice(1);
  const fields = (row: string) => row.trim().split(/\s+/);
  const ports = ['tcp', 'tcp6']
    .flatMap(rows)
    .map(fields)
    .filter(row => row[3] === '0A')
    .map(row => row[9]!);
  const paths = rows('unix')
    .map(fields)
    .filter(row => row[3] === '00010000')
    .map(row => row[6]!);
  return new Set([...ports, ...paths]);
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}
