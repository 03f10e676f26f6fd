/**
 * Runs of a trainer that reads no data itself: the embedded engine's `prepare` comes first, in a process of its own. Here
 * a small program stands in for it, and a shell script that starts the fake trainer for a Python with torch.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import { createRun } from '../../src/runs/createRun.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { launchRunner } from '../../src/runs/launch.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import { neededPackages } from '../../src/runs/pythonPath.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { stopRun } from '../../src/runs/stopRun.ts';
import { fakeTrainerProgram } from '../protocol/fakeTrainerProgram.ts';
import { ownHome, quick, temporaryFolder, testEngine, testProject, until } from '../runs/testStore.ts';

ownHome();
const posix = { skip: process.platform === 'win32' && 'the stand-in for Python is a shell script' };

type Preparing = 'works' | 'fails' | 'waits for a stop';

/** Speaks the protocol as far as the job `prepare` needs it. */
const preparer = (how: Preparing): string => `
const { mkdirSync, writeFileSync } = require('node:fs');
const say = event => process.stdout.write(JSON.stringify(event) + '\\n');
const finished = reason => say({ type: 'finished', reason, step: 0, seconds: 0, tokens: 0, peakMemoryBytes: 1 });
say({ type: 'hello', protocol: 1, engine: 'node', numerics: 'test' });
require('node:readline').createInterface({ input: process.stdin }).on('line', line => {
  const command = JSON.parse(line);
  if (command.type === 'stop') return finished('stopped'), process.exit(0);
  if (command.type !== 'start') return;
  if (command.job !== 'prepare') throw new Error('asked for ' + command.job);
  say({ type: 'progress', phase: 'tokenizing', fraction: 0.5 });
  if (${JSON.stringify(how)} === 'waits for a stop') return;
  if (${JSON.stringify(how)} === 'fails') {
    say({ type: 'failed', code: 'bad-row', message: 'train.jsonl, line 3: no text', line: 3 });
    process.exit(1);
  }
  mkdirSync(command.prepared);
  writeFileSync(command.prepared + '/artifact.json', '{}');
  finished('completed');
});
`;

/** Writes down what it was started with and what it found prepared, then is the fake trainer. */
function fakePython(): { path: string; seen: string } {
  const folder = temporaryFolder('python');
  const [path, seen] = [join(folder, 'python'), join(folder, 'seen')];
  const answer = { version: '3.11.0', packages: { ...neededPackages } };
  const text = `#!/bin/sh
if [ "$2" = -c ]; then echo '${JSON.stringify(answer)}'; exit; fi
echo "$@" > '${seen}'
ls prepared >> '${seen}'
exec '${process.execPath}' '${fakeTrainerProgram()}' '{"steps": 12, "rate": 0}'
`;
  writeFileSync(path, text, { mode: 0o755 });
  return { path, seen };
}

async function startTorchRun(
  how: Preparing,
): Promise<{ run: RunFolder; seen: string } & ReturnType<typeof testProject>> {
  const project = testProject();
  const engineFolder = temporaryFolder('engine');
  cpSync(testEngine(), engineFolder, { recursive: true });
  writeFileSync(join(engineFolder, 'trainer.cjs'), preparer(how));
  mkdirSync(join(engineFolder, 'torch_engine'));
  const { path: setting, seen } = fakePython();
  const { store, recipeFile } = project;
  const node = await chooseNode();
  const run = await createRun({
    recipeFile,
    store,
    engineFolder,
    node,
    variant: 'as-written',
    overrides: ['engine=torch'],
    pythonWish: { setting },
  });
  await launchRunner({ store, engineFolder, node, trusted: true, runnerArguments: quick });
  return { ...project, run, seen };
}

async function journalOf(run: RunFolder): Promise<JournalRecord[]> {
  const found: JournalRecord[] = [];
  for await (const { records } of readJournal(run)) found.push(...records);
  return found;
}

test('a torch run is prepared first, trained by Python next, and keeps nothing of the preparation', posix, async () => {
  const { run, seen } = await startTorchRun('works');
  const exit = await until('the end', () => run.exit());
  assert.deepEqual([exit.outcome, exit.lastStep], ['finished', 12]);
  const [started, prepared] = readFileSync(seen, 'utf8').trim().split('\n');
  assert.match(started!, /^-E -u .*torch_engine.__main__\.py$/);
  assert.equal(prepared, 'artifact.json', 'what was prepared lay there when the trainer began');
  assert.ok(!existsSync(run.prepared));
  const records = await journalOf(run);
  const launches = records.filter(({ type }) => type === 'launched');
  assert.equal(launches.length, 2);
  assert.match(JSON.stringify(launches[1]), /the torch engine, as the recipe says; Python 3\.11\.0 with torch 2\.6/);
  assert.deepEqual(
    records.flatMap(record => (record.type === 'hello' ? [record.engine] : [])),
    ['fake'],
    'the run is that of one engine',
  );
  assert.equal(records.filter(({ type }) => type === 'finished').length, 1);
});

test('data that cannot be prepared end the run in their own words, and Python is not started', posix, async () => {
  const { run, seen } = await startTorchRun('fails');
  const exit = await until('the end', () => run.exit());
  assert.equal(exit.outcome, 'failed');
  assert.equal(exit.error?.code, 'bad-row');
  assert.match(exit.error?.message ?? '', /line 3: no text/);
  assert.ok(!existsSync(seen));
});

test('a stop during the preparation ends the run there', posix, async () => {
  const { run, seen, store } = await startTorchRun('waits for a stop');
  await until('the preparation', async () => (await journalOf(run)).find(({ type }) => type === 'progress'));
  await stopRun({ store, run });
  const exit = await until('the end', () => run.exit());
  assert.equal(exit.outcome, 'stopped');
  assert.ok(!existsSync(seen));
});
