import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import { sendControl } from '../../src/runs/control.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { launchWhile } from '../../src/runs/launch.ts';
import { findMarked } from '../../src/runs/markedProcesses.ts';
import { isAlive } from '../../src/runs/processIdentity.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { statusOf } from '../../src/runs/status.ts';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';
import {
  ended,
  launch,
  launchOptions,
  ownHome,
  queueRun,
  startRun,
  type TestProject,
  testProject,
  until,
} from '../runs/testStore.ts';
import { markedProcesses, markerName } from '../vscode/processes.ts';

ownHome();

async function records(run: RunFolder): Promise<JournalRecord[]> {
  const found: JournalRecord[] = [];
  for await (const batch of readJournal(run)) {
    assert.deepEqual(batch.damage, { badLines: 0, gaps: 0, unknown: 0 });
    found.push(...batch.records);
  }
  return found;
}

const reachedStep = (run: RunFolder, step: number) =>
  until(`step ${step}`, async () => (await records(run)).some(record => record.type === 'step' && record.step >= step));

test('a run goes from queued to finished, and its journal holds every event in order', async () => {
  const project = testProject();
  const run = await queueRun(project);
  assert.equal((await statusOf(run)).status, 'queued');
  await launch(project);
  const { status, exit, step } = await ended(run);
  assert.deepEqual([status, exit?.code, exit?.outcome, step], ['finished', 0, 'finished', 20]);
  const journal = await records(run);
  assert.deepEqual(
    journal.map(({ seq }) => seq),
    journal.map((_, index) => index),
  );
  const steps = journal.filter(record => record.type === 'step').map(record => record.step);
  assert.deepEqual(
    steps,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  assert.deepEqual([journal[0]?.type, journal.at(-1)?.type], ['launched', 'exited']);
  assert.ok(!existsSync(run.file('reserve')), 'the reserve is given back');
});

const runnersOf = ({ folder }: TestProject) =>
  markedProcesses(folder).filter(({ command }) => command.includes('runner.cjs')).length;

/** Its processes carry the folder's mark. */
async function launchingWhile(project: TestProject, make: () => Promise<RunFolder>): Promise<RunFolder> {
  const options = await launchOptions(project);
  return launchWhile({ ...options, env: { [markerName]: project.folder } }, make);
}

const onLinux = { skip: process.platform !== 'linux' && 'the marks of processes are read on Linux alone' };

test('a runner that was started while its run was being made waits for it and takes it', onLinux, async () => {
  const project = testProject();
  const run = await launchingWhile(project, async () => {
    await until('the runner', () => runnersOf(project) === 1);
    await sleep(1500);
    assert.equal(runnersOf(project), 1, 'it waits');
    return queueRun(project, { steps: 2 });
  });
  assert.equal((await ended(run)).status, 'finished');
});

test('a runner whose run could not be made leaves, and the error is told', onLinux, async () => {
  const project = testProject();
  const failing = async (): Promise<never> => {
    await until('the runner', () => runnersOf(project) === 1);
    throw new Error('no run');
  };
  await assert.rejects(launchingWhile(project, failing), /no run/);
  await until('its end', () => runnersOf(project) === 0);
  assert.equal((await statusOf(await queueRun(project))).status, 'queued');
});

test('a trainer that dies leaves its exit code and last words in the run folder', async () => {
  const run = await startRun(testProject(), { dieAtStep: 7, exitCode: 3, says: 'something broke' });
  const { status, exit } = await ended(run);
  assert.equal(status, 'failed');
  assert.deepEqual([exit?.code, exit?.lastStep, exit?.stderr], [3, 6, ['something broke']]);
  assert.match(exit?.reason ?? '', /exit code 3.*something broke/);
  assert.match(readFileSync(run.trainerLog, 'utf8'), /something broke/);
});

const endings: [string, FakeTrainerOptions, string, RegExp][] = [
  [
    'that ran out of memory',
    { dieAtStep: 3, exitCode: 134, says: 'JavaScript heap out of memory' },
    'out-of-memory',
    /out of memory/,
  ],
  ['that found the disk full', { dieAtStep: 3, says: 'ENOSPC: no space left on device' }, 'disk-full', /disk full/],
  ['that was killed from outside', { dieAtStep: 3, signal: 'SIGKILL' }, 'killed', /killed from outside \(SIGKILL\)/],
  ['that crashed', { dieAtStep: 3, signal: 'SIGSEGV' }, 'trainer-exit', /crashed \(SIGSEGV\)/],
  [
    'that fails in order',
    { failed: { code: 'bad-row', message: 'Row 3 has no text', file: 'a.jsonl', line: 3 } },
    'bad-row',
    /Row 3 has no text/,
  ],
  [
    'whose first line is a print',
    { garbage: 'first' },
    'trainer-no-hello',
    /first line is no message: not JSON: Loading/,
  ],
  ['of another protocol', { protocol: 99 }, 'trainer-protocol', /speaks protocol 99, this runner speaks 1/],
  ['that prints noise for ever', { garbage: 'many' }, 'trainer-garbage', /101 lines that are no messages/],
  ['that sends a huge line', { garbage: 'huge' }, 'trainer-line-too-long', /a line of more than/],
  ['that leaves without a word', { dieAtStep: 2, exitCode: 0 }, 'trainer-exit', /exit code 0 without saying why/],
];

for (const [what, options, code, words] of endings) {
  test(`a trainer ${what} ends its run as failed, with the reason in words`, async () => {
    const run = await startRun(testProject(), { ...options, ignoresSignals: false });
    const { status, exit } = await ended(run);
    assert.deepEqual([status, exit?.error?.code], ['failed', code]);
    assert.match(exit?.reason ?? '', words);
    const last = (await records(run)).at(-1);
    assert.equal(last?.type === 'exited' && last.reason, exit?.reason);
  });
}

test('a stray print on stdout is kept in the log and harms nothing', async () => {
  const run = await startRun(testProject(), { garbage: 'some' });
  assert.equal((await ended(run)).status, 'finished');
  assert.match(readFileSync(run.trainerLog, 'utf8'), /\[not a message\] a stray print/);
});

test('a trainer that never greets, or falls silent, is ended and said to be silent', async () => {
  const early = await startRun(testProject(), { hangs: 'before hello' }, ['--hello-ms', '300']);
  const late = await startRun(testProject(), { hangs: 'after start' }, ['--silence-ms', '300']);
  for (const run of [early, late]) {
    const { status, exit } = await ended(run);
    assert.deepEqual([status, exit?.error?.code], ['failed', 'trainer-silent']);
  }
});

test('a stop saves: the run ends as stopped with a checkpoint and a final evaluation', async () => {
  const run = await startRun(testProject(), { steps: 100_000, rate: 100 });
  await reachedStep(run, 3);
  const { id } = await sendControl(run, 'stop');
  const { status, step } = await ended(run);
  assert.equal(status, 'stopped');
  const journal = await records(run);
  assert.ok(journal.some(record => record.type === 'handled' && record.id === id));
  assert.ok(journal.some(record => record.type === 'checkpointed' && record.step === step));
  assert.ok(journal.some(record => record.type === 'evaluated' && record.final));
});

test('a trainer that ignores the stop and SIGTERM is killed at the end of the ladder', async () => {
  const stubborn = { steps: 100_000, rate: 100, ignoresStop: true, ignoresSignals: true };
  const run = await startRun(testProject(), stubborn, ['--grace-ms', '200']);
  await reachedStep(run, 2);
  await sendControl(run, 'stop');
  const { status, exit } = await ended(run);
  assert.deepEqual([status, exit?.signal], ['stopped', 'SIGKILL']);
});

test('a second stop does not wait for the saving', async () => {
  const run = await startRun(testProject(), { steps: 100_000, rate: 100, saveMs: 600_000 });
  await reachedStep(run, 2);
  await sendControl(run, 'stop');
  await sendControl(run, 'stop');
  const { status, exit } = await ended(run);
  assert.deepEqual([status, exit?.signal], ['stopped', 'SIGTERM']);
});

test('checkpoint, pause and resume reach the trainer and are journaled as handled', async () => {
  const run = await startRun(testProject(), { steps: 100_000, rate: 100 });
  await reachedStep(run, 2);
  await sendControl(run, 'checkpoint');
  await until('a checkpoint', async () => (await records(run)).some(record => record.type === 'checkpointed'));
  await sendControl(run, 'pause');
  await until('paused', async () => (await statusOf(run)).status === 'paused');
  await sendControl(run, 'resume');
  await until('running', async () => (await statusOf(run)).status === 'running');
  await sendControl(run, 'stop', { attempt: 7 });
  await sendControl(run, 'stop');
  await ended(run);
  const handled = (await records(run)).filter(record => record.type === 'handled').map(record => record.command);
  assert.deepEqual(handled, ['checkpoint', 'pause', 'resume', 'stop'], 'a command for another attempt is ignored');
});

test('queued runs are taken in turn, oldest first, never two at once', async () => {
  const project = testProject();
  const runs: RunFolder[] = [];
  for (let number = 0; number < 3; number++) runs.push(await queueRun(project, { steps: 5 }));
  await Promise.all([launch(project), launch(project), launch(project)]);
  const spans: [number, number][] = [];
  for (const run of runs) {
    assert.equal((await ended(run)).status, 'finished');
    const journal = await records(run);
    spans.push([journal[0]!.t, journal.at(-1)!.t]);
  }
  assert.ok(spans[0]![1] <= spans[1]![0] && spans[1]![1] <= spans[2]![0], JSON.stringify(spans));
});

test('a run that fails does not keep the next one from starting', async () => {
  const project = testProject();
  const bad = await queueRun(project, { dieAtStep: 1 });
  const good = await queueRun(project, { steps: 3 });
  await launch(project);
  assert.deepEqual([(await ended(bad)).status, (await ended(good)).status], ['failed', 'finished']);
});

test('a queued run that is cancelled is never started', async () => {
  const project = testProject();
  const first = await startRun(project, { steps: 100_000, rate: 100 });
  const second = await queueRun(project);
  await sendControl(second, 'stop');
  assert.equal((await statusOf(second)).status, 'stopped', 'seen at once, long before its turn');
  await sendControl(first, 'stop');
  await ended(first);
  await until('an exit record', () => existsSync(second.exitJson));
  assert.ok(!existsSync(second.processJson));
});

test('a request that does not carry the user’s seal is shown and never run', async () => {
  const project = testProject();
  const forged = await queueRun(project);
  const request = JSON.parse(readFileSync(forged.runJson, 'utf8'));
  request.engine.trainer = ['/bin/sh', '-c', 'touch stolen'];
  writeFileSync(forged.runJson, JSON.stringify(request));
  const honest = await startRun(project, { steps: 2 });
  await ended(honest);
  assert.ok(!existsSync(forged.processJson) && !existsSync(forged.exitJson));
});

test('kill -9 of the trainer is told; kill -9 of the runner leaves "lost" and no process behind', async () => {
  const project = testProject();
  const first = await startRun(project, { steps: 100_000, rate: 100 });
  await reachedStep(first, 2);
  const trainer = await until('the trainer', async () => (await first.process())?.trainer);
  process.kill(trainer.identity.pid, 'SIGKILL');
  assert.match((await ended(first)).reason, /killed/);

  const second = await startRun(project, { steps: 100_000, rate: 100 });
  await reachedStep(second, 2);
  const record = await until('the trainer', async () => {
    const record = await second.process();
    return record?.trainer ? record : null;
  });
  process.kill(record.runner.identity.pid, 'SIGKILL');
  assert.equal((await ended(second)).status, 'lost');
  await until('the trainer leaves', async () => (await findMarked(record.trainer!.marker)).length === 0);
  await records(second);

  const third = await startRun(project, { steps: 2 });
  assert.equal((await ended(third)).status, 'finished', 'the dead runner does not hold the lock');
});

test('a new runner ends the trainer that a killed runner left behind before it starts another', async () => {
  const project = testProject();
  const stubborn = { steps: 100_000, rate: 50, ignoresStop: true, ignoresSignals: true, saveMs: 600_000 };
  const first = await startRun(project, stubborn);
  const { trainer, runner } = await until('the trainer', async () => {
    const record = await first.process();
    return record?.trainer ? record : null;
  });
  await reachedStep(first, 1);
  process.kill(trainer!.identity.pid, 'SIGSTOP');
  process.kill(runner.identity.pid, 'SIGKILL');
  await until('the runner is gone', async () => (await isAlive(runner.identity)) === 'gone');
  const second = await startRun(project, { steps: 2 }, ['--grace-ms', '200']);
  assert.equal((await ended(second)).status, 'finished');
  assert.deepEqual(await findMarked(trainer!.marker), []);
});
