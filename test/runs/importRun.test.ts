import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { importRun } from '../../src/runs/importRun.ts';
import { loadRun } from '../../src/runs/loadRun.ts';
import { ownIdentity } from '../../src/runs/processIdentity.ts';
import { asItRan, refuseForeign } from '../../src/runs/rerun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { RunIndex } from '../../src/runs/runIndex.ts';
import { statusOf } from '../../src/runs/status.ts';
import { trashRun } from '../../src/runs/trash.ts';
import { ended, launch, ownHome, startRun, temporaryFolder, testProject, until } from './testStore.ts';

ownHome();

/** A finished run of another project, copied away as a user would. */
async function copiedRun(): Promise<{ folder: string; run: RunFolder }> {
  const run = await startRun(testProject(), { verdicts: { general: 'forgot' } });
  await ended(run);
  const folder = join(temporaryFolder('copied'), 'some name');
  cpSync(run.folder, folder, { recursive: true });
  return { folder, run };
}

test('a run that was copied from elsewhere is listed with its verdict, its curves and its checkpoints', async () => {
  const { folder, run } = await copiedRun();
  const { store } = testProject();
  const imported = await importRun(store, folder);
  assert.equal(imported.run.id, run.id);
  assert.deepEqual(imported.leftOut, []);
  const [listed] = await (await RunIndex.open(store, { mayWrite: true })).refresh();
  assert.deepEqual([listed?.status, listed?.verdict, listed?.foreign], ['finished', 'forgot', true]);
  assert.deepEqual(
    listed?.checkpoints.map(({ step }) => step),
    [10, 20],
  );
  assert.equal((await loadRun(imported.run)).state.step, 20);
});

test('an imported run is never started: not by its queue, not again, and nobody takes it for alive', async () => {
  const { folder } = await copiedRun();
  // As if this very process ran it, asked to go on and waiting to be taken.
  const identity = await ownIdentity();
  const process_ = { v: 1, attempt: 9, startedAt: Date.now(), runner: { identity, marker: 'm' }, trainer: null };
  writeFileSync(join(folder, 'process.json'), JSON.stringify(process_));
  writeFileSync(join(folder, 'resume.json'), JSON.stringify({ v: 1, attempt: 10, checkpoint: null, t: 0 }));
  writeFileSync(join(folder, 'heartbeat'), JSON.stringify({ attempt: 9, step: 3, t: Date.now() }));
  rmSync(join(folder, 'exit.json'));
  const project = testProject();
  const { run } = await importRun(project.store, folder);
  assert.deepEqual([(await statusOf(run)).status, (await statusOf(run)).step], ['lost', 20]);
  assert.match((await statusOf(run)).reason, /has no exit record/);
  rmSync(run.exitJson);
  const { pid } = await launch(project);
  await until('the runner to leave', () => !existsSync(`/proc/${pid}`));
  assert.ok(!existsSync(run.processJson), 'it was started');
  const request = (await run.request())!;
  await assert.rejects(refuseForeign(project.store, request), { code: 'not-ours' });
  assert.equal(asItRan(request).resolved, request.recipe);
});

test('a run that was copied while it lived is lost, not failed, and its inner files are not spoken of', async () => {
  const run = await startRun(testProject(), { steps: 100_000, rate: 50 });
  await until('a checkpoint', async () => (await statusOf(run)).step > 10);
  assert.ok(existsSync(run.file('reserve')));
  const folder = join(temporaryFolder('copied'), 'some name');
  cpSync(run.folder, folder, { recursive: true });
  await sendControl(run, 'stop');
  await ended(run);
  const { store } = testProject();
  const imported = await importRun(store, folder);
  assert.deepEqual(imported.leftOut, []);
  const { status, reason, step } = await statusOf(imported.run);
  assert.equal(status, 'lost');
  assert.match(reason, /copied while it ran/);
  assert.ok(step > 10, `step ${step}`);
  const { result } = await loadRun(imported.run);
  assert.equal(result.error?.code, 'run-lost');
});

test('of a run that was copied while a later attempt lived, the exit record of the one before says nothing', async () => {
  const { folder } = await copiedRun();
  const identity = await ownIdentity();
  const later = { v: 1, attempt: 2, startedAt: Date.now(), runner: { identity, marker: 'm' }, trainer: null };
  writeFileSync(join(folder, 'process.json'), JSON.stringify(later));
  const { run } = await importRun(testProject().store, folder);
  const { status, attempt } = await statusOf(run);
  assert.deepEqual([status, attempt], ['lost', 2]);
});

test('links, pipes, programs, pickles, hidden and odd names stay behind, each named', async () => {
  const { folder } = await copiedRun();
  const outside = join(temporaryFolder('outside'), 'secret');
  writeFileSync(outside, 'secret');
  symlinkSync(outside, join(folder, 'notes.md'));
  rmSync(join(folder, 'samples'), { recursive: true, force: true });
  symlinkSync(join(outside, '..'), join(folder, 'samples'));
  mkdirSync(join(folder, 'model', 'a', 'b', 'c', 'd'), { recursive: true });
  for (const name of [
    'weights.bin',
    'state.pt',
    'run.sh',
    '.hidden.json',
    'a:b.json',
    'modeling.py',
    'con\u202e.json',
  ]) {
    writeFileSync(join(folder, 'model', name), 'x');
  }
  symlinkSync(outside, join(folder, 'model', 'link.json'));
  execFileSync('mkfifo', [join(folder, 'model', 'pipe.json')]);
  writeFileSync(join(folder, 'surprise.json'), '{}');
  const { run, leftOut } = await importRun(testProject().store, folder);
  const names = leftOut.map(what => what.split(':')[0]).sort();
  const expected = [
    '.hidden.json',
    'a',
    'a/b/c',
    'con?.json',
    'link.json',
    'modeling.py',
    'pipe.json',
    'run.sh',
    'state.pt',
    'weights.bin',
  ];
  assert.deepEqual(names, [...expected.map(name => `model/${name}`), 'notes.md', 'samples', 'surprise.json'].sort());
  assert.deepEqual(readdirSync(join(run.folder, 'model', 'a', 'b')), []);
  assert.ok(!readFileSync(run.runJson, 'utf8').includes('secret'));
});

test('what is no run, a forged or newer one, and one that is there already is refused, and nothing is left behind', async () => {
  const { folder } = await copiedRun();
  const project = testProject();
  const { store } = project;
  const good = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as Record<string, unknown>;
  const with_ = (change: object) => JSON.stringify({ ...good, ...change });
  const forged: [string, string][] = [
    ['{', 'damaged'],
    [with_({ id: '../../../etc/cron.d/x' }), 'damaged'],
    [with_({ id: 'a/b' }), 'damaged'],
    [with_({ id: '' }), 'damaged'],
    [with_({ recipe: null }), 'damaged'],
    [with_({ v: 99 }), 'newer-format'],
  ];
  for (const [text, code] of forged) {
    writeFileSync(join(folder, 'run.json'), text);
    await assert.rejects(importRun(store, folder), { code }, text.slice(0, 60));
  }
  rmSync(join(folder, 'run.json'));
  symlinkSync('/etc/hostname', join(folder, 'run.json'));
  await assert.rejects(importRun(store, folder), { code: 'damaged' });
  await assert.rejects(importRun(store, join(folder, 'nowhere')), { code: 'not-a-run' });
  await assert.rejects(importRun(store, project.folder), { code: 'not-a-run' });
  rmSync(join(folder, 'run.json'));
  writeFileSync(join(folder, 'run.json'), JSON.stringify(good));
  const { run } = await importRun(store, folder);
  await assert.rejects(importRun(store, folder), { code: 'run-exists' });
  await trashRun(store, run);
  await assert.rejects(importRun(store, folder), { code: 'run-exists' });
  assert.deepEqual(readdirSync(store.runsFolder), []);
});
