/**
 * What people do with runs, done with hostile ones: delete, restore, empty the trash, clean up, import, name, resume, fork,
 * run again. Nothing outside of the store is read into it, changed or removed, and nothing foreign is started.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { clean, planCleaning } from '../../src/runs/cleanRun.ts';
import { importRun } from '../../src/runs/importRun.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import { refuseForeign } from '../../src/runs/rerun.ts';
import { forkRun, resumeRun } from '../../src/runs/resumeRun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { RunsError } from '../../src/runs/runsError.ts';
import { emptyTrash, restoreRun, trashedRuns, trashRun } from '../../src/runs/trash.ts';
import { changeUser } from '../../src/runs/userChoices.ts';
import { ownHome, queueRun, type TestProject, temporaryFolder, testEngine, testProject } from '../runs/testStore.ts';
import { hostileRuns, makeHostileRun } from './hostileRuns.ts';

ownHome();

const names = Object.keys(hostileRuns);
const idOf = (name: string) => `261121-120000-${name.replace(/[^a-z0-9]+/g, '-')}`.slice(0, 64);
const unlessWindows = process.platform === 'win32' ? 'pipes and links are made differently on Windows' : false;

let honest: Record<string, unknown>;
let outside: string;
let trace: string;

before(async () => {
  outside = temporaryFolder('outside');
  writeFileSync(join(outside, 'secret.json'), '{"token":"secret"}\n');
  mkdirSync(join(outside, 'a1-step-5'));
  writeFileSync(join(outside, 'a1-step-5', 'precious.json'), 'precious');
  trace = join(temporaryFolder('trace'), 'ran');
  honest = JSON.parse(readFileSync((await queueRun(testProject())).runJson, 'utf8'));
});

function hostileProject(): TestProject {
  const project = testProject();
  const bystander = { pid: 4242, startTime: '1', bootId: 'x', host: 'x' };
  for (const name of names) {
    const id = idOf(name);
    const around = { honest: { ...honest, id }, outside, traceCommand: `touch ${trace}`, bystander };
    makeHostileRun(project.store.run(id).folder, hostileRuns[name]!, around);
  }
  return project;
}

function assertUntouched(): void {
  assert.deepEqual(readdirSync(outside, { recursive: true }).sort(), [
    'a1-step-5',
    join('a1-step-5', 'precious.json'),
    'secret.json',
  ]);
  assert.equal(readFileSync(join(outside, 'secret.json'), 'utf8'), '{"token":"secret"}\n');
  assert.equal(readFileSync(join(outside, 'a1-step-5', 'precious.json'), 'utf8'), 'precious');
  assert.ok(!existsSync(trace));
}

/** Done, or refused in words. */
async function tried(name: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    assert.ok(error instanceof RunsError, `${name}: ${error instanceof Error ? error.stack : error}`);
    return false;
  }
}

test('deleting, restoring, cleaning and naming hostile runs removes nothing outside', {
  skip: unlessWindows,
}, async t => {
  const { store } = hostileProject();
  let done = 0;
  for (const name of names) {
    const run = store.run(idOf(name));
    const keep = { keep: ['last' as const] };
    done += Number(await tried(name, async () => clean(store, await planCleaning(run, keep))));
    done += Number(await tried(name, () => changeUser(store, [run], { name: 'x', addTags: ['a'], star: true })));
    if (await tried(name, () => trashRun(store, run))) {
      done += 1;
      await tried(name, () => restoreRun(store, run.id));
      await tried(name, () => trashRun(store, run));
    }
    assertUntouched();
  }
  assert.ok((await trashedRuns(store)).length > names.length / 2);
  await emptyTrash(store);
  assert.deepEqual(await trashedRuns(store), []);
  assertUntouched();
  t.diagnostic(`C6 ${names.length} hostile runs deleted, restored, cleaned and named: ${done} done, 0 outside touched`);
});

test('importing hostile runs brings in plain files alone, and nothing that asks or runs', {
  skip: unlessWindows,
}, async t => {
  const from = hostileProject();
  const { store } = testProject();
  let taken = 0;
  for (const name of names) {
    const folder = from.store.run(idOf(name)).folder;
    let run: RunFolder | undefined;
    await tried(name, async () => {
      run = (await importRun(store, folder)).run;
    });
    if (!run) continue;
    taken += 1;
    for (const path of readdirSync(run.folder, { recursive: true }) as string[]) {
      const stat = lstatSync(join(run.folder, path));
      assert.ok(stat.isFile() || stat.isDirectory(), `${name}: ${path}`);
      assert.doesNotMatch(path, /process\.json|resume\.json|control\.ndjson|heartbeat/, name);
      if (stat.isFile()) assert.ok(!readFileSync(join(run.folder, path), 'latin1').includes('"secret"'), name);
    }
    await assert.rejects(resumeRun({ store, run, trusted: true }), RunsError, name);
    const request = await run.request();
    if (request) await assert.rejects(refuseForeign(store, request), { code: 'not-ours' });
  }
  assertUntouched();
  t.diagnostic(`C6 ${names.length} hostile runs imported: ${taken} taken as plain files, 0 can be started`);
});

test('a foreign run with a checkpoint that verifies is neither gone on with nor forked', {
  skip: unlessWindows,
}, async () => {
  const project = testProject();
  const machine = { engineFolder: testEngine(), node: await chooseNode() };
  const id = '261121-120000-foreign-abcd';
  const run = project.store.run(id);
  mkdirSync(run.checkpoints, { recursive: true });
  writeFileSync(run.runJson, JSON.stringify({ ...honest, id, recipeFile: join(outside, 'x.tune.yaml') }));
  makeCheckpoint(run);
  await assert.rejects(forkRun({ store: project.store, run, machine }), { code: 'not-ours' });
  await assert.rejects(resumeRun({ store: project.store, run, trusted: true }), RunsError);
  assert.deepEqual(await project.store.runIds(), [id]);
  assertUntouched();
});

/** Whole by its own word. */
function makeCheckpoint(run: RunFolder): void {
  const folder = join(run.checkpoints, 'a1-step-5');
  mkdirSync(folder);
  const files: Record<string, object> = {};
  for (const name of ['state.safetensors', 'counters.json']) {
    writeFileSync(join(folder, name), '{}');
    files[name] = { bytes: 2, sha256: createHash('sha256').update('{}').digest('hex') };
  }
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ format: 1, files }));
}
