import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import type { RunResult } from '../../src/protocol/result.ts';
import { sendControl } from '../../src/runs/control.ts';
import { loadRun } from '../../src/runs/loadRun.ts';
import { isAlive } from '../../src/runs/processIdentity.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { statusOf } from '../../src/runs/status.ts';
import { ended, launch, ownHome, queueRun, startRun, type TestProject, testProject, until } from '../runs/testStore.ts';
import { holdfast as commandLine, type Outcome, start } from './commandLine.ts';

ownHome();

const holdfast = (project: TestProject, ...words: string[]): Promise<Outcome> => commandLine(project, words);

/** Stopped at a step after its checkpoints at 10 and 20; the stop itself saves one more. */
async function stoppedRun(project: TestProject): Promise<RunFolder> {
  const run = await startRun(project, { steps: 60, standsAt: 25 });
  await until('step 25', async () => (await statusOf(run)).step === 25);
  await sendControl(run, 'stop');
  await ended(run);
  return run;
}

test('resume goes on with a stopped run from its newest checkpoint, to the end, on one curve', async () => {
  const project = testProject();
  const run = await stoppedRun(project);
  const { step } = await statusOf(run);
  const { code, stdout, stderr } = await holdfast(project, 'resume', 'last', '--json');
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as RunResult;
  assert.deepEqual([result.id, result.status, result.steps], [run.id, 'finished', 60]);
  assert.match(stderr, new RegExp(`goes on as attempt 2, from a1-step-${step}`));
  const { state } = await loadRun(run);
  assert.deepEqual(
    state.series.get('loss')?.since(0).steps,
    Array.from({ length: 60 }, (_, index) => index + 1),
  );
});

test('resume of a run whose runner was killed adopts it: nothing is missing and nothing is doubled', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 60, standsAt: 15 });
  await until('step 15', async () => (await statusOf(run)).step === 15);
  const { runner } = await until('the process', () => run.process());
  process.kill(runner.identity.pid, 'SIGKILL');
  assert.equal((await ended(run)).status, 'lost');
  const { code, stdout, stderr } = await holdfast(project, 'resume', run.id);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /attempt 2, from a1-step-\d0\n/);
  // The trainer saved what it had when its runner was gone.
  assert.match(stderr, /a1-step-15 is newer and passed over[^\n]*gap\. It is taken with: --from a1-step-15/);
  assert.match(stdout, /resumed +attempt 2, from a1-step-\d0: identical for \d+ redone steps/);
  const { state } = await loadRun(run);
  assert.equal(state.gaps, 0);
  assert.equal(state.series.get('loss')?.length, 60);
  assert.match(state.view({ status: 'finished' }).resumed?.text ?? '', /identical for \d+ redone steps/);
});

test('a newest checkpoint that is damaged is named and passed over; asked for by name, it is refused with the good one', async () => {
  const project = testProject();
  const run = await stoppedRun(project);
  const newest = `a1-step-${(await statusOf(run)).step}`;
  writeFileSync(join(run.checkpoints, newest, 'state.safetensors'), '{"step":99}');
  const refused = await holdfast(project, 'resume', run.id, '--from', newest);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, new RegExp(`${newest} cannot be used: its state.safetensors has changed`));
  const [, good] = /--from (a1-step-\d0)/.exec(refused.stderr) ?? [];
  assert.ok(good, refused.stderr);
  assert.equal((await statusOf(run)).status, 'stopped');
  const { code, stderr } = await holdfast(project, 'resume', run.id);
  assert.equal(code, 0, stderr);
  assert.match(stderr, new RegExp(`${newest} cannot be used and is passed over`));
  assert.match(stderr, new RegExp(`attempt 2, from ${good}`));
});

test('what would not be the same run is refused with what differs, and nothing is written', async () => {
  const project = testProject();
  const run = await stoppedRun(project);
  const { code, stderr } = await holdfast(project, 'resume', run.id, '--set', 'train.learning_rate=0.5');
  assert.equal(code, 2);
  assert.match(stderr, /train.learning_rate was 0\.\d+, is 0.5/);
  assert.match(stderr, /--fork/);
  const unknown = await holdfast(project, 'resume', run.id, '--from', '7');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no checkpoint "7"[\s\S]*a1-step-10, and start/);
  assert.ok(!readdirSync(run.folder).includes('resume.json'));
});

test('data that are gone are named before anything is written', async () => {
  const project = testProject();
  const run = await stoppedRun(project);
  const { paths } = (await run.request())!;
  const file = paths['data/train.jsonl']!;
  rmSync(file);
  const { code, stderr } = await holdfast(project, 'resume', run.id);
  assert.equal(code, 2, stderr);
  assert.match(stderr, new RegExp(`What the run reads is gone: [^\\n]*${basename(file)}[^\\n]*\\n +Bring it back`));
  assert.ok(!readdirSync(run.folder).includes('resume.json'));
});

test('a copy of a run is not queued for nobody: the run itself is named, and a fork goes on with the copy', async () => {
  const project = testProject();
  const run = await stoppedRun(project);
  const copy = run.id.replace(/....$/, 'copy');
  cpSync(run.folder, join(project.store.runsFolder, copy), { recursive: true });
  const { code, stderr } = await holdfast(project, 'resume', copy, '--detach');
  assert.equal(code, 2, stderr);
  assert.match(stderr, new RegExp(`is a copy of ${run.id}\\n.*holdfast resume ${run.id}\\. `));
  const fork = await holdfast(project, 'resume', copy, '--fork', '--json');
  assert.equal(fork.code, 0, fork.stderr);
  assert.equal((JSON.parse(fork.stdout) as RunResult).status, 'finished');
});

test('stop ends the trainer that a killed runner left frozen', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 60, standsAt: 15 });
  await until('step 15', async () => (await statusOf(run)).step === 15);
  const { runner, trainer } = await until('the trainer', async () => {
    const now = await run.process();
    return now?.trainer ? { ...now, trainer: now.trainer } : null;
  });
  process.kill(trainer.identity.pid, 'SIGSTOP');
  process.kill(runner.identity.pid, 'SIGKILL');
  assert.equal((await ended(run)).status, 'lost');
  const { code, stdout, stderr } = await holdfast(project, 'stop', run.id, '--now');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /What its runner had left behind is ended\.\n[^\n]*is over already/);
  assert.equal(await isAlive(trainer.identity), 'gone');
});

test('another batch size is answered with what a fork can do, whatever the micro-batch is; the fork takes it', async () => {
  const project = testProject();
  const run = await stoppedRun(project);
  const { code, stderr } = await holdfast(project, 'resume', run.id, '--set', 'train.batch_size=2');
  assert.equal(code, 2);
  assert.match(stderr, /train\.batch_size was \d+, is 2[\s\S]*--fork/);
  const cut = await holdfast(project, 'resume', run.id, '--set', 'train.micro_batch_size=3');
  assert.match(cut.stderr, /not be the same run with train\.micro_batch_size=3[\s\S]*--fork/);
  const words = ['resume', run.id, '--fork', '--set', 'train.batch_size=2', '--set', 'train.max_steps=60', '--json'];
  const forked = await holdfast(project, ...words);
  assert.equal(forked.code, 0, forked.stderr);
  const { request } = await loadRun(project.store.run(JSON.parse(forked.stdout).id));
  assert.deepEqual([request.recipe.train.batch_size, request.recipe.train.micro_batch_size], [2, 2]);
});

test('a recipe file that says something else by now is told with what differs; as it ran, the run goes on', async () => {
  const project = testProject();
  const run = await stoppedRun(project);
  const edit = (from: string, to: string) =>
    writeFileSync(project.recipeFile, readFileSync(project.recipeFile, 'utf8').replace(from, to));
  edit('max_steps: 20', 'max_steps: 20, learning_rate: 2e-5');
  const refused = await holdfast(project, 'resume', run.id);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /train\.learning_rate was \S+, is 0\.00002/);
  assert.match(refused.stderr, /--as-it-ran[\s\S]*--fork/);
  edit('train:', 'tarin:');
  const unreadable = await holdfast(project, 'resume', run.id);
  assert.match(unreadable.stderr, /has changed since, and cannot be read: data\.train is missing/);
  assert.ok(!readdirSync(run.folder).includes('resume.json'));
  const { code, stderr } = await holdfast(project, 'resume', run.id, '--as-it-ran');
  assert.equal(code, 0, stderr);
});

test('a comment in the recipe changes nothing', async () => {
  const project = testProject();
  const run = await stoppedRun(project);
  writeFileSync(project.recipeFile, `# to be tried again\n${readFileSync(project.recipeFile, 'utf8')}`);
  const { code, stderr } = await holdfast(project, 'resume', run.id);
  assert.equal(code, 0, stderr);
});

test('a run that goes on, or has finished, is not resumed; the remedy says what can be done', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 100_000, rate: 50 });
  await until('a step', async () => (await statusOf(run)).step > 0);
  const going = await holdfast(project, 'resume', run.id);
  assert.equal(going.code, 2);
  assert.match(going.stderr, /is running[\s\S]*holdfast stop/);
  await sendControl(run, 'stop');
  await ended(run);
  const done = await startRun(project, { steps: 3 });
  await ended(done);
  const finished = await holdfast(project, 'resume', done.id);
  assert.equal(finished.code, 2);
  assert.match(finished.stderr, /has finished[\s\S]*--fork --set train.max_steps=6/);
});

test('a terminal says that its run is paused, and how it goes on', async () => {
  const project = testProject();
  const { child, done } = start(project, ['run', 'test.tune.yaml'], { steps: 100_000, rate: 50 });
  let said = '';
  child.stderr.on('data', chunk => {
    said += chunk;
  });
  const run = await until('a step', async () => {
    const [id] = await project.store.runIds();
    return id && (await statusOf(project.store.run(id))).step > 0 ? project.store.run(id) : null;
  });
  await holdfast(project, 'pause', run.id);
  await until('its word', () => said.includes(`paused: holdfast resume ${run.id}`));
  assert.match((await holdfast(project, 'resume', run.id)).stdout, /goes on/);
  await until('no pause', async () => (await statusOf(run)).status === 'running');
  child.kill('SIGINT');
  assert.equal((await done).code, 130);
});

test('a paused run goes on as it is: what would change it is refused', async () => {
  const project = testProject();
  const run = await startRun(project, { steps: 100_000, rate: 50 });
  await until('a step', async () => (await statusOf(run)).step > 0);
  await holdfast(project, 'pause', run.id);
  await until('a pause', async () => (await statusOf(run)).status === 'paused');
  const refused = await holdfast(project, 'resume', run.id, '--set', 'train.learning_rate=0.5');
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /is paused, and goes on as it is: --set changes nothing[\s\S]*--fork/);
  assert.equal((await holdfast(project, 'resume', run.id, '--from', '10')).code, 2);
  assert.equal((await statusOf(run)).status, 'paused');
  await sendControl(run, 'stop');
  await ended(run);
});

test('a fork is a run of its own that names its parent, may differ, and shows one curve', async () => {
  const project = testProject();
  const run = await stoppedRun(project);
  const before = readFileSync(run.journalFile, 'utf8');
  const words = ['resume', run.id, '--fork', '--from', '20', '--set', 'train.learning_rate=0.5', '--name', 'hotter'];
  const { code, stdout, stderr } = await holdfast(project, ...words, '--json');
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as RunResult;
  assert.notEqual(result.id, run.id);
  assert.deepEqual(result.parent, { run: run.id, step: 20 });
  assert.equal(readFileSync(run.journalFile, 'utf8'), before, 'the parent is left as it was');
  const fork = project.store.run(result.id);
  const { request, state } = await loadRun(fork);
  assert.deepEqual(request.parent, { run: run.id, step: 20, checkpoint: 'a1-step-20' });
  assert.deepEqual([request.name, request.recipe.train.learning_rate], ['hotter', 0.5]);
  assert.deepEqual(
    state.series.get('loss')?.since(0).steps,
    Array.from({ length: result.steps }, (_, index) => index + 1),
  );
});

test('without a checkpoint a run goes on from the start', async () => {
  const project = testProject();
  const run = await startRun(project, { dieAtStep: 5 });
  await ended(run);
  await holdfast(project, 'resume', run.id);
  const { request } = await loadRun(run);
  assert.equal(request.id, run.id);
  assert.equal((await run.resume())?.checkpoint, null);
  assert.equal((await run.exit())?.attempt, 2);
});

test('a resumed run waits its turn, can be cancelled while it does, and resumed again before anybody has come by', async () => {
  const project = testProject();
  const run = await stoppedRun(project);
  const other = await queueRun(project, { steps: 100_000, rate: 50 });
  await launch(project);
  await until('the other runs', async () => (await statusOf(other)).status === 'running');
  const { code } = await holdfast(project, 'resume', run.id, '--detach');
  assert.equal(code, 0);
  assert.equal((await statusOf(run)).status, 'queued');
  await holdfast(project, 'stop', run.id);
  assert.equal((await statusOf(run)).status, 'stopped');
  const again = await holdfast(project, 'resume', run.id, '--detach');
  assert.equal(again.code, 0, again.stderr);
  assert.equal((await statusOf(run)).status, 'queued');
  await sendControl(other, 'stop');
  await ended(other);
  await until('an exit record of attempt 3', async () => (await run.exit())?.attempt === 3);
  assert.notEqual((await run.exit())?.reason, 'cancelled before it started');
});
