/** A7: what the user says in two windows at once is kept, and a window that is killed holds nobody up. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RunIndex } from '../../src/runs/runIndex.ts';
import { changeUser } from '../../src/runs/userChoices.ts';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { ownHome, queueRun, type TestProject, testProject } from '../runs/testStore.ts';
import { isWithin } from '../slowness.ts';
import { testSeed } from './seed.ts';

ownHome();

const updates = count(200, 1000);
const kills = count(15, 100);
const seed = testSeed();
const program = bundle(fileURLToPath(new URL('./userWriter.ts', import.meta.url)), 'userWriter');

test(`of ${updates} changes that two windows make to one store all are kept, and the index stays whole`, async t => {
  const project = await projectOf(20);
  const windows = ['a', 'b'].map(word => startWindow(project, word, updates / 2));
  const acknowledged = (await Promise.all(windows.map(window => window.told))).flat();
  assert.equal(acknowledged.length, updates);
  const kept = await tagsByRun(project);
  const lost = acknowledged.filter(({ id, tag }) => !kept.get(id)?.includes(tag));
  assert.deepEqual(lost, []);
  JSON.parse(readFileSync(join(project.store.folder, 'index.json'), 'utf8'));
  assert.deepEqual(litter(project), []);
  t.diagnostic(`A7 two windows on one store: ${updates} updates, ${lost.length} lost`);
});

test(`after each of ${kills} windows killed at random moments the next one takes over, and nothing kept is lost`, async t => {
  let [acknowledged, held, slowest] = [0, 0, 0];
  const project = await projectOf(count(8, 40));
  const runs = (await project.store.runIds()).map(id => project.store.run(id));
  for (let kill = 0; kill < kills; kill++) {
    const after = Math.floor(40 * uniform(seed, kill));
    const moment = `seed ${seed}, kill ${kill}, ${after} ms after the first change`;
    const window = startWindow(project, `k${kill}x`, 40, kill);
    await Promise.race([new Promise(resolve => window.child.stdout?.once('data', resolve)), window.told]);
    const lock = join(project.store.folder, 'user.lock');
    // Each second one while it holds the lock, the others whenever.
    if (kill % 2 === 0)
      while (!existsSync(lock) && window.child.exitCode === null) await new Promise(resolve => setImmediate(resolve));
    setTimeout(() => window.child.kill('SIGKILL'), kill % 2 === 0 ? 0 : after);
    const told = await window.told;
    const { signalCode, exitCode } = window.child;
    assert.ok(signalCode === 'SIGKILL' || exitCode === 0, `the window failed by itself; ${moment}`);
    if (existsSync(lock)) held += 1;
    const started = performance.now();
    await changeUser(project.store, [runs[0]!], { star: kill % 2 === 0 });
    slowest = Math.max(slowest, performance.now() - started);
    const kept = await tagsByRun(project);
    for (const { id, tag } of told) assert.ok(kept.get(id)?.includes(tag), `${tag} of ${id} is lost; ${moment}`);
    acknowledged += told.length;
  }
  await changeUser(project.store, runs, { hidden: true });
  await (await RunIndex.open(project.store, { mayWrite: true })).refresh();
  assert.deepEqual(litter(project), []);
  assert.ok(held > 0, `none of ${kills} kills hit a window that held the lock; seed ${seed}`);
  assert.ok(isWithin(slowest, 2000), `a take-over took ${slowest.toFixed(0)} ms; seed ${seed}`);
  t.diagnostic(
    `A7 kill -9 of a window: ${kills} kills, ${held} while it held the lock, ${acknowledged} changes acknowledged, ` +
      `0 lost, slowest take-over ${slowest.toFixed(0)} ms`,
  );
});

async function projectOf(runs: number): Promise<TestProject> {
  const project = testProject();
  for (let number = 0; number < runs; number++) await queueRun(project);
  return project;
}

interface Told {
  id: string;
  tag: string;
}

function startWindow(
  project: TestProject,
  word: string,
  many: number,
  first = 0,
): { child: ChildProcess; told: Promise<Told[]> } {
  const child = spawn(process.execPath, [program, project.folder, word, String(many), String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', chunk => {
    output += chunk;
  });
  const told = new Promise<Told[]>(resolve => child.once('close', () => resolve(lines(output))));
  return { child, told };
}

/** A last line that is not whole acknowledges nothing. */
const lines = (output: string): Told[] =>
  output
    .slice(0, output.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .map(line => ({ id: line.split(' ')[0]!, tag: line.split(' ')[1]! }));

async function tagsByRun({ store }: TestProject): Promise<Map<string, string[]>> {
  const runs = await (await RunIndex.open(store, { mayWrite: false })).refresh();
  return new Map(runs.map(({ id, tags }) => [id, tags]));
}

const litter = ({ store }: TestProject): string[] =>
  (readdirSync(store.folder, { recursive: true }) as string[]).filter(name => /\.tmp$|\.lock$/.test(name));
