/**
 * A `.holdfast` that came with a repository. It is looked at, listed and told; nothing in it is run, nobody is signalled,
 * nothing outside is touched, and nothing takes long.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { loadRun } from '../../src/runs/loadRun.ts';
import { identityOf, isAlive, type ProcessIdentity } from '../../src/runs/processIdentity.ts';
import { RunIndex } from '../../src/runs/runIndex.ts';
import { RunsError } from '../../src/runs/runsError.ts';
import { statusOf } from '../../src/runs/status.ts';
import { ownHome, queueRun, type TestProject, temporaryFolder, testEngine, testProject } from '../runs/testStore.ts';
import { cpuMs, isWithinCpu } from '../slowness.ts';
import { hostileRuns, makeHostileRun } from './hostileRuns.ts';

ownHome();

const slowestMs = 3000;
const names = Object.keys(hostileRuns);
const idOf = (name: string) => `261121-120000-${name.replace(/[^a-z0-9]+/g, '-')}`.slice(0, 64);

let project: TestProject;
let outside: string;
let trace: string;
let bystander: ProcessIdentity;

before(async () => {
  if (process.platform === 'win32') return;
  project = testProject();
  outside = temporaryFolder('outside');
  trace = join(temporaryFolder('trace'), 'canary');
  writeFileSync(join(outside, 'secret.json'), '{"v":1,"token":"secret"}\n');
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  process.once('exit', () => child.kill('SIGKILL'));
  child.unref();
  bystander = (await identityOf(child.pid!))!;
  const donor = await queueRun(testProject());
  const honest = JSON.parse(readFileSync(donor.runJson, 'utf8'));
  for (const name of names) {
    const id = idOf(name);
    const around = { honest: { ...honest, id }, outside, traceCommand: `touch ${trace}`, bystander: { ...bystander } };
    makeHostileRun(project.store.run(id).folder, hostileRuns[name]!, around);
  }
});

const unlessWindows = process.platform === 'win32' ? 'pipes and links are made differently on Windows' : false;

test('every hostile run is told or passed over, quickly, and reaches nothing outside', {
  skip: unlessWindows,
}, async t => {
  let slowest = 0;
  for (const name of names) {
    const run = project.store.run(idOf(name));
    const started = cpuMs();
    const status = await within(name, statusOf(run));
    assert.ok(typeof status.reason === 'string', name);
    await within(name, loadRun(run)).then(
      ({ state, result }) => JSON.stringify([state.samples, result]),
      error => assert.ok(error instanceof RunsError, `${name}: ${error.stack}`),
    );
    const took = cpuMs() - started;
    slowest = Math.max(slowest, took);
    assert.ok(isWithinCpu(took, slowestMs), `${name} took ${took} ms`);
  }
  const started = cpuMs();
  const index = await RunIndex.open(project.store, { mayWrite: false });
  const listed = await within('the list', index.refresh());
  const listing = cpuMs() - started;
  assert.ok(isWithinCpu(listing, 2 * slowestMs), `the list took ${listing} ms`);
  for (const { id } of listed)
    assert.ok(
      names.some(name => idOf(name) === id),
      id,
    );
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  assertUntouched();
  const cost = `slowest ${slowest.toFixed(0)} ms of processor time`;
  t.diagnostic(`C5 ${names.length} hostile run folders: ${listed.length} listed, ${cost}, 0 outside touched`);
});

test('a runner starts none of them and signals nobody', { skip: unlessWindows }, async () => {
  const before = filesOf(project.store.runsFolder);
  const args = [join(testEngine(), 'runner.cjs'), '--store', project.store.folder, '--grace-ms', '200'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 120_000 });
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stderr, / takes /);
  assert.deepEqual(filesOf(project.store.runsFolder), before);
  assertUntouched();
  assert.equal(await isAlive(bystander), 'alive');
});

test('nothing in a list, a run or its log steers the terminal', { skip: unlessWindows }, () => {
  const id = idOf('names with markup and control characters');
  writeFileSync(project.store.run(id).trainerLog, 'step 1\r\n\u001b]0;owned\u0007\u001b[2Jstep 2\n');
  const commands = [['ls'], ['ls', '--all'], ['show', id, '--settings'], ['logs', id], ['logs', id, '--printed']];
  for (const words of commands) {
    const { stdout, stderr } = cli(words);
    assert.deepEqual(steering(stdout + stderr), [], words[0]);
    assert.ok(stdout.includes('owned') || words[0] === 'ls', `${words[0]} shows the words`);
  }
});

test('a cache, a queue and locks that are forged keep nobody from the truth', { skip: unlessWindows }, async () => {
  const other = testProject();
  const run = await queueRun(other, { steps: 2, rate: 0 });
  const changed = statSync(run.folder).mtimeMs;
  const index = await RunIndex.open(other.store, { mayWrite: true });
  const [good] = await index.refresh();
  const file = join(other.store.folder, 'index.json');
  const { v } = JSON.parse(readFileSync(file, 'utf8'));
  const forged = (summary: object, key = run.id) => JSON.stringify({ v, runs: { [key]: { changed, summary } } });
  for (const text of [
    forged({ ...good, id: '../../../etc', status: 'finished' }),
    forged({ ...good, id: 'another-run', status: 'finished' }),
    forged({ ...good, status: 'won' }),
    forged({ ...good, status: 'finished', checkpoints: [{ step: 1, folder: '../../../..', bytes: 1 }] }),
    `{"v":${v},"runs":{"__proto__":{"changed":1,"summary":{"polluted":1}}}}`,
    '['.repeat(1e6),
    'null',
    '[]',
    '\0'.repeat(1000),
  ]) {
    writeFileSync(file, text);
    const again = await RunIndex.open(other.store, { mayWrite: false });
    const [found] = await again.refresh();
    assert.deepEqual([found?.id, found?.checkpoints], [run.id, []], text.slice(0, 200));
  }
  for (const [name, text] of [
    ['queue.json', '{"v":1,"order":["../../x"],"onError":"continue","held":null}'],
    ['queue.json', '['.repeat(1e6)],
    ['queue.json', '{"v":99}'],
    ['queue.json', '\0'],
  ] as const) {
    writeFileSync(join(other.store.folder, name), text);
    assert.equal((await statusOf(run)).status, 'queued');
    const { status, stdout, stderr } = cli(['queue'], other.folder);
    assert.ok([0, 1, 2, 3].includes(status ?? -1) && stdout + stderr !== '', `${text.slice(0, 60)}: ${stderr}`);
    assert.doesNotMatch(stderr, /^\s+at /m, 'no stack, but words');
  }
});

test('a lock that names a holder on another host is told with the file to remove', {
  skip: unlessWindows,
}, async () => {
  const other = testProject();
  await queueRun(other, { steps: 2, rate: 0 });
  const holder = { pid: 4242, startTime: '1', bootId: 'x', host: 'somewhere-else' };
  writeFileSync(other.store.runnerLock, JSON.stringify(holder));
  const { stdout, stderr } = cli(['queue'], other.folder);
  assert.match(stdout + stderr, /somewhere-else/);
  assert.match(stdout + stderr, /runner\.lock/);
});

test('files of the store that are links are never written through', { skip: unlessWindows }, async () => {
  for (const name of ['runner.log', 'runner.lock', 'index.json', 'queue.json', '.gitignore']) {
    const other = testProject();
    mkdirSync(other.store.folder);
    const target = join(temporaryFolder('target'), 'file');
    writeFileSync(target, 'untouched');
    symlinkSync(target, join(other.store.folder, name));
    await queueRun(other, { steps: 2, rate: 0 });
    cli(['ls'], other.folder);
    const args = [join(testEngine(), 'runner.cjs'), '--store', other.store.folder];
    spawnSync(process.execPath, args, { timeout: 60_000 });
    assert.equal(readFileSync(target, 'utf8'), 'untouched', name);
  }
});

function cli(words: string[], cwd = project.folder) {
  const args = [join(testEngine(), 'cli.cjs'), ...words];
  return spawnSync(process.execPath, args, { cwd, encoding: 'utf8', timeout: 60_000 });
}

/** Escapes, bells, carriage returns inside a line, and characters that turn the direction of writing. */
function steering(text: string): string[] {
  return [...text.replaceAll('\r\n', '\n')].filter(letter => {
    const code = letter.codePointAt(0)!;
    const isControl = (code < 32 && letter !== '\n' && letter !== '\t') || (code >= 127 && code < 160);
    return isControl || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  });
}

function assertUntouched(): void {
  assert.ok(!existsSync(trace), 'a program of the repository ran');
  assert.deepEqual(readdirSync(outside), ['secret.json']);
  assert.equal(readFileSync(join(outside, 'secret.json'), 'utf8'), '{"v":1,"token":"secret"}\n');
}

/** A pipe that nobody writes to must not be waited for. */
async function within<T>(name: string, work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = new Promise<never>((_, reject) => {
    const timeout = setTimeout(() => reject(new Error(`${name} hangs`)), 60_000);
    timer.signal.addEventListener('abort', () => clearTimeout(timeout));
  });
  return Promise.race([work, late]).finally(() => timer.abort());
}

const filesOf = (folder: string): string[] =>
  execFileSync('find', [folder, '-printf', '%P %y %s\\n'], { encoding: 'utf8' }).split('\n').sort();
