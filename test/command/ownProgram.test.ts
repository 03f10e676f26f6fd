/**
 * Programs of the user's own, as `holdfast run RECIPE -- PROGRAM` starts them. The programs here are small Node scripts that
 * write what the callback would write, or nothing; data are prepared by the real engine.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import { sendControl } from '../../src/runs/control.ts';
import { createRun } from '../../src/runs/createRun.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { launchRunner } from '../../src/runs/launch.ts';
import { findMarked } from '../../src/runs/markedProcesses.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { stopRun } from '../../src/runs/stopRun.ts';
import { findStore } from '../../src/runs/store.ts';
import { makeTinyFiles } from '../engine/support/tinyRun.ts';
import { ownHome, quick, temporaryFolder, until } from '../runs/testStore.ts';
import { commandEngine } from './commandEngine.ts';

ownHome();

const recipe = `model: model
data: { train: train.jsonl, eval: eval.jsonl }
retain: { probes: { sums: { file: sums.jsonl, budget: { points: 20 } } } }
train: { max_length: 32, max_steps: 6 }
evaluate: { every: 2, items: 8 }
`;

let engineFolder: string;
let files: string;
before(async () => {
  engineFolder = await commandEngine();
  files = (await makeTinyFiles()).folder;
});

/** What every callback does, in words of Node. */
const callback = `
const fs = require('node:fs');
const folder = process.env.HOLDFAST_PREPARED;
const data = JSON.parse(fs.readFileSync(folder + '/artifact.json', 'utf8'));
const say = line => fs.appendFileSync(folder + '/said.ndjson', JSON.stringify(line) + '\\n');
const orders = () => fs.readFileSync(folder + '/orders.ndjson', 'utf8').split('\\n').filter(Boolean).map(l => JSON.parse(l).order);
const begin = () => say({ type: 'begin', parameters: 100, trainedParameters: 25, trained: 'q_proj', steps: 6,
  runtime: { name: 'torch', provider: 'cpu' }, environment: {}, warnings: [] });
const score = (step, final, tuned) => {
  const sums = data.sets.find(set => set.name === 'sums');
  const items = loss => sums.lines.map(() => ({ loss, correct: true }));
  say({ type: 'scored', step, final, seed: 1, kl: {}, sets: { sums: { kind: 'choice', budget: { points: 20 }, base: items(2), tuned: items(tuned) } } });
};
`;

async function start(script: string, command = ['node', 'program.cjs']): Promise<{ run: RunFolder; folder: string }> {
  const folder = temporaryFolder('own');
  await cp(files, folder, { recursive: true });
  await mkdir(join(folder, '.holdfast'));
  writeFileSync(join(folder, 'test.tune.yaml'), `${recipe}command: ${JSON.stringify(command)}\n`);
  writeFileSync(join(folder, 'program.cjs'), script);
  const recipeFile = join(folder, 'test.tune.yaml');
  const [store, node] = [findStore(recipeFile), await chooseNode()];
  const words = command[0] === 'node' ? [process.execPath, ...command.slice(1)] : command;
  const text = readFileSync(recipeFile, 'utf8').replace('"node"', JSON.stringify(process.execPath));
  const run = await createRun({
    recipeFile,
    recipeText: text,
    store,
    engineFolder,
    node,
    variant: 'as-written',
    agreedCommand: words,
  });
  await launchRunner({ store, engineFolder, node, trusted: true, runnerArguments: quick });
  return { run, folder };
}

async function journalOf(run: RunFolder): Promise<JournalRecord[]> {
  const found: JournalRecord[] = [];
  for await (const { records } of readJournal(run)) found.push(...records);
  return found;
}

const has = (run: RunFolder, type: JournalRecord['type']) =>
  until(type, async () => (await journalOf(run)).find(record => record.type === type));
const end = (run: RunFolder) => until('the end', () => run.exit());
const log = (run: RunFolder): string => readFileSync(run.trainerLog, 'utf8');

test('a program with the callback: its steps, scores and verdict are the run’s, what it prints is the log’s', async () => {
  const { run, folder } = await start(`${callback}
begin();
console.log('{"step": 99, "loss": 1}');
console.error('loading');
score(0, false, 2);
for (let step = 1; step <= 6; step++) say({ type: 'step', step, metrics: { loss: 3 - step / 10 } });
score(6, true, 2.5);
say({ type: 'end', step: 6, tokens: 4711 });
fs.writeFileSync('cwd', process.cwd());
`);
  const exit = await end(run);
  assert.deepEqual([exit.outcome, exit.lastStep], ['finished', 6]);
  const records = await journalOf(run);
  const steps = records.flatMap(record => (record.type === 'step' ? [record.metrics.loss] : []));
  assert.deepEqual(steps, [2.9, 2.8, 2.7, 2.6, 2.5, 2.4]);
  const final = records.find(record => record.type === 'evaluated' && record.final);
  assert.ok(final?.type === 'evaluated');
  assert.deepEqual([final.forgetting.sums?.value, final.forgetting.sums?.verdict], [0.5, 'kept']);
  const prepared = records.find(({ type }) => type === 'prepared');
  assert.ok(prepared?.type === 'prepared' && prepared.trainedShare === 0.25 && prepared.probes.sums?.items === 55);
  const finished = records.find(({ type }) => type === 'finished');
  assert.ok(finished?.type === 'finished' && finished.tokens === 4711);
  assert.match(log(run), /"loss": 1[\s\S]*loading|loading[\s\S]*"loss": 1/);
  assert.ok(existsSync(join(folder, 'cwd')), 'it runs in the folder of the recipe');
  assert.ok(!existsSync(run.prepared));
});

test('a program that never calls the callback: numbers it prints as JSON are shown, and that nothing was measured is said', async () => {
  const { run } = await start(`
console.log('not JSON'); console.log('{"loss": 3, "note": "x"}'); console.log('{"step": 5, "train_loss": 2.5, "lr": 1e-4}'); console.log('[1]');
`);
  assert.equal((await end(run)).outcome, 'finished');
  const records = await journalOf(run);
  assert.deepEqual(
    records.flatMap(record => (record.type === 'step' ? [[record.step, record.metrics]] : [])),
    [
      [1, { loss: 3 }],
      [5, { loss: 2.5, learningRate: 1e-4 }],
    ],
  );
  const prepared = records.find(({ type }) => type === 'prepared');
  assert.ok(prepared?.type === 'prepared');
  assert.match(prepared.warnings.join(' '), /never began a training with HoldfastCallback, so nothing was measured/);
});

test('a program that fails ends the run with its exit code and last words', async () => {
  const { run } = await start(`${callback} begin(); console.error('CUDA is on fire'); process.exit(3);`);
  const exit = await end(run);
  assert.deepEqual([exit.outcome, exit.error?.code], ['failed', 'command-failed']);
  assert.match(exit.error?.message ?? '', /program\.cjs ended with exit code 3/);
  assert.match(exit.stderr.join(' '), /on fire/);
});

test('a program that leaves in the middle of its training has failed, whatever its exit code', async () => {
  const { run } = await start(`${callback} begin(); score(0, false, 2); say({ type: 'step', step: 2, metrics: {} });`);
  const exit = await end(run);
  assert.deepEqual([exit.outcome, exit.error?.code, exit.lastStep], ['failed', 'command-left', 2]);
  assert.match(exit.error?.message ?? '', /program\.cjs ended at step 2 of 6/);
});

test('a training that ends before its last step and says so has finished', async () => {
  const { run } = await start(`${callback}
begin(); say({ type: 'step', step: 2, metrics: {} }); score(2, true, 2.1); say({ type: 'end', step: 2, tokens: 8 });
`);
  assert.deepEqual([(await end(run)).outcome, (await end(run)).lastStep], ['finished', 2]);
});

test('a program that is not there is named with its remedy', async () => {
  const { run } = await start('', ['no-such-program', 'x']);
  const exit = await end(run);
  assert.deepEqual([exit.outcome, exit.error?.code], ['failed', 'command-missing']);
  assert.match(exit.error?.remedy ?? '', /on PATH/);
});

test('a callback that refuses the model ends the run in its words', async () => {
  const { run } = await start(
    `${callback} say({ type: 'refused', code: 'tokenizer-mismatch', message: 'too small' }); process.exit(1);`,
  );
  const exit = await end(run);
  assert.deepEqual([exit.error?.code, exit.error?.message], ['tokenizer-mismatch', 'too small']);
});

test('stop, pause and checkpoint reach the callback; after a stop it evaluates and leaves', async () => {
  const { run } = await start(`${callback}
begin(); score(0, false, 2);
say({ type: 'step', step: 1, metrics: { loss: 2 } });
const wait = setInterval(() => {
  if (!orders().includes('stop')) return;
  clearInterval(wait);
  fs.writeFileSync('orders', orders().join());
  score(1, true, 2.1); say({ type: 'end', step: 1, tokens: 10 });
}, 10);
`);
  await has(run, 'step');
  const handled = (count: number) =>
    until(
      `${count} orders`,
      async () => (await journalOf(run)).filter(({ type }) => type === 'handled').length >= count,
    );
  for (const [i, order] of (['checkpoint', 'pause', 'resume'] as const).entries()) {
    await sendControl(run, order);
    await handled(i + 1);
  }
  await stopRun({ store: findStore(join(run.folder, '..')), run });
  const exit = await end(run);
  assert.equal(exit.outcome, 'stopped');
  assert.equal(
    readFileSync(join((await run.request())!.recipeFile, '..', 'orders'), 'utf8'),
    'checkpoint,pause,resume,stop',
  );
  assert.ok((await journalOf(run)).some(record => record.type === 'evaluated' && record.final));
});

test('a program without the callback is asked to leave by a signal; one that ignores it and what it forked are ended', async () => {
  const stubborn = `
process.on('SIGTERM', () => {});
require('node:child_process').spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6)"], { detached: true, stdio: 'ignore' }).unref();
console.log('{"step": 1, "loss": 1}');
setInterval(() => {}, 1e6);
`;
  const { run } = await start(stubborn);
  await has(run, 'step');
  const { marker } = (await run.process())!.trainer!;
  assert.ok((await findMarked(marker)).length >= 2);
  await sendControl(run, 'stop');
  await sendControl(run, 'stop');
  assert.equal((await end(run)).outcome, 'stopped');
  await until('nobody is left', async () => (await findMarked(marker)).length === 0);
});

function holdfast(folder: string, words: string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(engineFolder, 'cli.cjs'), ...words], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { code: status, stdout, stderr };
}

test('holdfast run RECIPE -- PROGRAM starts it; a program that stands in the recipe only when that is allowed', async () => {
  const folder = temporaryFolder('own');
  await cp(files, folder, { recursive: true });
  writeFileSync(join(folder, 'plain.tune.yaml'), recipe);
  writeFileSync(
    join(folder, 'with.tune.yaml'),
    `${recipe}command: ${JSON.stringify([process.execPath, 'mark.cjs'])}\n`,
  );
  writeFileSync(
    join(folder, 'mark.cjs'),
    "require('node:fs').appendFileSync('mark', process.argv.slice(2).join() + ';');",
  );
  const typed = holdfast(folder, [
    'run',
    'plain.tune.yaml',
    '--json',
    '--',
    process.execPath,
    'mark.cjs',
    '--json',
    'a b',
  ]);
  assert.equal(typed.code, 0, typed.stderr);
  assert.equal(JSON.parse(typed.stdout).status, 'finished');
  const unseen = holdfast(folder, ['run', 'with.tune.yaml', '--json']);
  assert.equal(unseen.code, 2);
  assert.equal(JSON.parse(unseen.stdout).error.code, 'command-not-agreed');
  assert.match(JSON.parse(unseen.stdout).error.message, /mark\.cjs/);
  const allowed = holdfast(folder, ['run', 'with.tune.yaml', '--allow-command']);
  assert.equal(allowed.code, 0);
  assert.match(allowed.stdout, /^time +[^,]+$/m, 'nobody counted tokens');
  assert.equal(readFileSync(join(folder, 'mark'), 'utf8'), '--json,a b;;');
  assert.equal(holdfast(folder, ['run', 'plain.tune.yaml', '--']).code, 2);
});
