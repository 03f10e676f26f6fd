import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { before, test } from 'node:test';
import type { StartCommand, TrainerEvent } from '../../../src/protocol/trainer.ts';
import { decodeTrainerMessage } from '../../../src/protocol/trainerLines.ts';
import { bundle } from '../../protocol/fakeTrainerProgram.ts';
import { makeTinyFiles, type TinyFiles } from '../support/tinyRun.ts';

let files: TinyFiles;
let program: string;
before(async () => {
  program = bundle(resolve('src/engine/main.ts'), 'trainer');
  files = await makeTinyFiles();
});

interface Spoken {
  events: TrainerEvent[];
  code: number | null;
  stderr: string;
}

/** The trainer as a process of its own; every line of stdout must be an event of the protocol. */
function trainer(
  input: (string | object)[],
  react: (event: TrainerEvent, child: ChildProcess) => void = () => {},
): Promise<Spoken> {
  const child = spawn(process.execPath, [program], { stdio: 'pipe' });
  const events: TrainerEvent[] = [];
  let stderr = '';
  child.stderr.on('data', chunk => (stderr += String(chunk)));
  createInterface({ input: child.stdout }).on('line', line => {
    const decoded = decodeTrainerMessage(line);
    assert.ok(decoded.ok && decoded.value.type !== 'scored', `not an event: ${line}`);
    events.push(decoded.value);
    react(decoded.value, child);
  });
  for (const line of input) child.stdin.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`);
  return new Promise(resolve => child.on('close', code => resolve({ events, code, stderr })));
}

const last = ({ events }: Spoken): TrainerEvent => events.at(-1)!;
const endInput = (_: TrainerEvent, child: ChildProcess): void => void child.stdin!.end();
const quick = { evaluate: { every: 3, items: 8 }, checkpoint: { every: 100 } };

test('the trainer speaks first, trains, and leaves with 0 after finished', async () => {
  const spoken = await trainer([files.start(quick)]);
  const [hello] = spoken.events;
  assert.deepEqual([hello!.type, spoken.code], ['hello', 0]);
  const finished = last(spoken);
  assert.ok(finished.type === 'finished' && finished.reason === 'completed' && finished.step === 6);
});

test('an end of stdin before the start means: nothing to do', async () => {
  const spoken = await trainer([], endInput);
  assert.deepEqual([spoken.events.map(({ type }) => type), spoken.code], [['hello'], 0]);
});

test('an end of stdin during a run means: save and leave', async () => {
  const start = files.start({ ...quick, train: { max_steps: 100_000 } });
  const spoken = await trainer([start], (event, child) => {
    if (event.type === 'step' && event.step === 5) child.stdin!.end();
  });
  const finished = last(spoken);
  assert.ok(finished.type === 'finished' && finished.reason === 'stopped');
  assert.equal(spoken.code, 0);
  assert.ok((await readdir(start.outputs.checkpoints)).includes(`a1-step-${finished.step}`));
  assert.ok(!existsSync(start.outputs.model));
});

test('stop, checkpoint, pause and resume are obeyed; a line that is nothing is passed over', async () => {
  const start = files.start({ ...quick, train: { max_steps: 100_000 }, checkpoint: { every: 100_000, keep: ['all'] } });
  const spoken = await trainer([start], (event, { stdin }) => {
    if (event.type === 'step' && event.step === 2)
      stdin!.write('{"type":"checkpoint"}\nwhat?\n{"type":"pause"}\n{"type":"resume"}\n');
    if (event.type === 'checkpointed' && event.step > 1) stdin!.write('{"type":"stop"}\n');
  });
  assert.equal(last(spoken).type, 'finished');
  assert.ok(spoken.events.some(({ type }) => type === 'checkpointed'));
  assert.match(spoken.stderr, /Ignored a line/);
});

test('what is wrong with start, recipe or data ends in failed with code, place and remedy, and exit code 1', async () => {
  const broken = join(files.folder, 'broken.jsonl');
  await writeFile(broken, '{"text": "fine"}\n{"tekst": "oh"}\n');
  const bad: [string | object, Partial<TrainerEvent & { type: 'failed' }>][] = [
    ['{"type":"stop"}', { code: 'protocol' }],
    ['not json', { code: 'protocol' }],
    [{ ...files.start(quick), job: 'merge' }, { code: 'not-supported' }],
    [files.start(quick, { paths: {} }), { code: 'path-not-allowed' }],
    [files.start({ ...quick, data: { train: 'broken.jsonl' } }), { code: 'bad-row', file: broken, line: 2 }],
  ];
  for (const [first, expected] of bad) {
    const spoken = await trainer([first]);
    const failed = last(spoken);
    assert.ok(failed.type === 'failed', JSON.stringify(failed));
    for (const [key, value] of Object.entries(expected)) assert.equal(failed[key as keyof typeof failed], value);
    assert.equal(spoken.code, 1);
  }
});

test('check shows the first batch as text with its mask, replay rows marked, an estimate, and writes nothing', async () => {
  const start: StartCommand = {
    ...files.start({ ...quick, method: { replay: { data: 'replay.txt', share: 0.5 } } }),
    job: 'check',
  };
  const { events, code } = await trainer([start]);
  assert.equal(code, 0);
  const first = events.find(event => event.type === 'firstBatch');
  assert.ok(first?.type === 'firstBatch');
  assert.deepEqual(
    first.rows.map(({ kind }) => kind),
    ['task', 'task', 'task', 'task', 'replay', 'replay', 'replay', 'replay'],
  );
  const [prompt, answer, ...more] = first.rows[0]!.pieces;
  assert.match(prompt!.text, /^<\|begin\|>code \d+:$/);
  assert.match(answer!.text, /^ \d+-\d<\|end\|>$/);
  assert.deepEqual([prompt!.supervised, answer!.supervised, more], [false, true, []]);
  assert.ok(first.supervisedShare > 0.3 && first.supervisedShare < 1);
  const estimate = events.find(event => event.type === 'estimate');
  assert.ok(estimate?.type === 'estimate' && estimate.memoryBytes > 1e6 && estimate.secondsPerStep > 0);
  assert.ok(estimate.seconds > estimate.secondsPerStep);
  for (const folder of [start.outputs.checkpoints, start.outputs.model]) assert.ok(!existsSync(folder));
});

test('generate answers the prompts by both models', async () => {
  const recipe = { ...quick, retain: { probes: {}, prompts: ['Mara', 'the town'] } };
  const { events, code } = await trainer([{ ...files.start(recipe), job: 'generate' }]);
  const samples = events.filter(event => event.type === 'sample');
  assert.deepEqual([samples.length, code], [2, 0]);
  for (const sample of samples) assert.equal(sample.base, sample.tuned);
});

test('a folder that cannot be written ends in failed, and leaves no half-written model', async () => {
  const start = files.start(quick);
  const wall = join(files.folder, 'wall');
  await writeFile(wall, 'a file where a folder is wanted');
  start.outputs.items = join(wall, 'items');
  const failed = last(await trainer([start]));
  assert.ok(failed.type === 'failed' && failed.message.includes(wall), JSON.stringify(failed));
  assert.ok(!existsSync(start.outputs.model));
  await rm(wall);
});
