/** B8: a resume that would not be the same run is refused, and says in what it differs. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { numericsVersion } from '../../src/engine/numerics.ts';
import { RunControl } from '../../src/engine/runControl.ts';
import { checkResume } from '../../src/engine/runIdentity.ts';
import { train } from '../../src/engine/trainer.ts';
import type { StartCommand } from '../../src/protocol/trainer.ts';
import { manifestFile } from '../../src/runs/checkpointFiles.ts';
import { sendControl } from '../../src/runs/control.ts';
import { readJournal } from '../../src/runs/journal.ts';
import { loadRun } from '../../src/runs/loadRun.ts';
import { forkRun, resumeRun } from '../../src/runs/resumeRun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { statusOf } from '../../src/runs/status.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../engine/support/tinyRun.ts';
import { ownHome, until } from '../runs/testStore.ts';
import { attemptOver, realProject } from './realRuns.ts';

ownHome();

const recipe: TinyRecipe = {
  train: { max_steps: 4 },
  method: { replay: { data: 'replay.txt', share: 0.3 } },
  evaluate: { every: 100, items: 4 },
  checkpoint: { every: 2, keep: ['all'] },
};

let files: TinyFiles;
let checkpoint: string;
before(async () => {
  files = await makeTinyFiles();
  const start = files.start(recipe);
  await train(start, () => {}, new RunControl());
  checkpoint = join(start.outputs.checkpoints, 'a1-step-2');
});

const resumed = (changed: TinyRecipe = recipe): StartCommand =>
  files.start(changed, { attempt: 2, resume: { checkpoint } });

const withTrain = (more: TinyRecipe['train']): TinyRecipe => ({ ...recipe, train: { ...recipe.train, ...more } });

/** What was changed → the words that must be said of it. */
const recipes: [string, TinyRecipe, RegExp][] = [
  ['the learning rate', withTrain({ learning_rate: 1e-3 }), /train\.learning_rate was 0\.005, is 0\.001/],
  ['the schedule', withTrain({ lr_scheduler: 'linear' }), /train\.lr_scheduler was cosine, is linear/],
  ['the warm-up', withTrain({ warmup_steps: 1 }), /train\.warmup_steps was 0, is 1/],
  ['the number of steps', withTrain({ max_steps: 8 }), /train\.max_steps was 4, is 8/],
  ['the batch size', withTrain({ batch_size: 2 }), /train\.batch_size was 4, is 2/],
  ['the micro-batch size', withTrain({ micro_batch_size: 2 }), /train\.micro_batch_size was 4, is 2/],
  ['the seed', withTrain({ seed: 2 }), /train\.seed was 1, is 2/],
  ['the weight decay', withTrain({ weight_decay: 0.1 }), /train\.weight_decay was 0, is 0\.1/],
  ['the clipping', withTrain({ max_grad_norm: 0.5 }), /train\.max_grad_norm was 1, is 0\.5/],
  ['packing', withTrain({ packing: true }), /train\.packing was false, is true/],
  ['the length of rows', withTrain({ max_length: 48 }), /train\.max_length was 32, is 48/],
  [
    'the share of replay',
    { ...recipe, method: { replay: { data: 'replay.txt', share: 0.5 } } },
    /method\.replay\.share was 0\.3, is 0\.5/,
  ],
  ['replay left out', { ...recipe, method: {} }, /method\.replay\.data was replay\.txt, is not set/],
  [
    'a penalty added',
    { ...recipe, method: { ...recipe.method, regularize: { weight: 0.5 } } },
    /method\.regularize\.weight was not set, is 0\.5/,
  ],
  ['an adapter added', { ...recipe, adapter: { type: 'lora', r: 4 } }, /adapter\.r was not set, is 4/],
  ['the precision of the result', { ...recipe, output: { dtype: 'bf16' } }, /output\.dtype was \S+, is bf16/],
];

/** Files that are changed, and put back. */
const contents: [string, () => string, (file: string) => Promise<void>, RegExp][] = [
  [
    'a training row added',
    () => join(files.folder, 'train.jsonl'),
    file => appendFile(file, '{"prompt":"code 99:","completion":" 1-1"}\n'),
    /the content of .*train\.jsonl has changed/,
  ],
  [
    'training rows in another order',
    () => join(files.folder, 'train.jsonl'),
    async file => {
      const [first, second, ...more] = (await readFile(file, 'utf8')).trim().split('\n');
      await writeFile(file, `${[second, first, ...more].join('\n')}\n`);
    },
    /the content of .*train\.jsonl has changed/,
  ],
  [
    'a replay text changed',
    () => join(files.folder, 'replay.txt'),
    file => appendFile(file, '\n\nOlga sells bread in town 7.\n'),
    /the content of .*replay\.txt has changed/,
  ],
  [
    'a held-out row changed',
    () => join(files.folder, 'eval.jsonl'),
    file => appendFile(file, '{"prompt":"code 98:","completion":" 2-2"}\n'),
    /the content of .*eval\.jsonl has changed/,
  ],
  [
    'the base weights',
    () => join(files.model, 'model.safetensors'),
    flipLastBit,
    /the base model in .*model has changed/,
  ],
  [
    'the tokenizer',
    () => join(files.model, 'tokenizer.json'),
    async file => {
      await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), holdfast: 1 }));
    },
    /the tokenizer in .*model has changed/,
  ],
  [
    'the numerics version',
    () => join(checkpoint, 'counters.json'),
    writtenByOtherNumerics,
    new RegExp(`numerics was other-0, is ${numericsVersion}`),
  ],
];

const refused: string[] = [];

test('the same recipe, files and numerics are let through, also when asked twice', async () => {
  await checkResume(resumed());
  await checkResume(resumed());
});

for (const [what, changed, words] of recipes) {
  test(`a resume with another recipe is refused and says what differs: ${what}`, async () => {
    await refuses(resumed(changed), words);
    refused.push(what);
  });
}

for (const [what, fileOf, change, words] of contents) {
  test(`a resume with other files or numerics is refused and says what differs: ${what}`, async () => {
    const file = fileOf();
    const manifest = join(checkpoint, manifestFile);
    const [whole, listed] = [await readFile(file), await readFile(manifest)];
    try {
      await change(file);
      await refuses(resumed(), words);
    } finally {
      await writeFile(file, whole);
      await writeFile(manifest, listed);
    }
    refused.push(what);
  });
}

/** Asked before anything is written, and by the trainer itself. */
async function refuses(start: StartCommand, words: RegExp): Promise<void> {
  for (const ask of [() => checkResume(start), () => train(start, () => {}, new RunControl())]) {
    await assert.rejects(ask(), (error: Error & { code: string; remedy: string }) => {
      assert.match(error.message, words);
      assert.ok(['checkpoint-mismatch', 'numerics-changed'].includes(error.code), error.code);
      assert.match(error.remedy, /--fork/);
      return true;
    });
  }
  assert.ok(!existsSync(start.outputs.model));
}

test('several differences are all named', async () => {
  const changed = { ...withTrain({ seed: 2, learning_rate: 1e-3 }), method: {} };
  await assert.rejects(
    checkResume(resumed(changed)),
    /method\.replay\.data[^;]*; method\.replay\.share[^;]*; train\.learning_rate[^;]*; train\.seed/,
  );
});

test('a run whose data has changed stays as it was: stopped, with no attempt begun', async () => {
  const project = await realProject();
  const run = await project.queue({ ...recipe, train: { max_steps: 100_000 } });
  await project.launch();
  await until('step 2', async () => (await statusOf(run)).step >= 2);
  await sendControl(run, 'stop');
  assert.match(await attemptOver(run, 1), /^stopped/);
  await appendFile(join(project.folder, 'train.jsonl'), '{"prompt":"code 99:","completion":" 1-1"}\n');
  await assert.rejects(resumeRun({ store: project.store, run, trusted: true }), /train\.jsonl has changed/);
  assert.deepEqual([(await statusOf(run)).status, existsSync(run.resumeJson)], ['stopped', false]);
});

test('an attempt from the start finds changed data too, hides nothing of the run, and goes on when it is put back', async () => {
  const project = await realProject();
  const run = await project.queue({ ...recipe, train: { max_steps: 100_000 }, checkpoint: { every: 200_000 } });
  await project.launch();
  await until('step 2', async () => (await statusOf(run)).step >= 2);
  const { trainer } = (await run.process()) ?? {};
  assert.ok(trainer);
  process.kill(trainer.identity.pid, 'SIGKILL');
  assert.match(await attemptOver(run, 1), /^failed/);
  const again = async () => {
    const { attempt } = await resumeRun({ store: project.store, run, from: 'start', trusted: true });
    await project.launch();
    return attempt;
  };
  const data = join(project.folder, 'train.jsonl');
  const before = await readFile(data);
  await appendFile(data, '{"prompt":"code 99:","completion":" 1-1"}\n');
  assert.match(
    await attemptOver(run, await again()),
    /^failed: It would not be the same run: the content of train has changed/,
  );
  const { state } = await loadRun(run);
  assert.ok((state.series.get('loss')?.length ?? 0) >= 2, 'the curve of attempt 1 is there');
  await writeFile(data, before);
  const attempt = await again();
  await stepOf(run, attempt);
  await sendControl(run, 'stop');
  assert.match(await attemptOver(run, attempt), /^stopped/);
});

test('a fork without a checkpoint of its own finds changed data at its beginning, and goes on when it is put back', async () => {
  const { store, folder, machine, ...project } = await realProject();
  const parent = await project.queue({ ...recipe, train: { max_steps: 100_000 }, checkpoint: { every: 200_000 } });
  await project.launch();
  await until('step 2', async () => (await statusOf(parent)).step >= 2);
  await sendControl(parent, 'stop');
  assert.match(await attemptOver(parent, 1), /^stopped/);
  const { run: fork, checkpoint } = await forkRun({ store, run: parent, machine });
  assert.ok(checkpoint);
  await project.launch();
  await stepOf(fork, 1);
  process.kill((await fork.process())!.trainer!.identity.pid, 'SIGKILL');
  assert.match(await attemptOver(fork, 1), /^failed/);
  const again = async () => {
    const { attempt } = await resumeRun({ store, run: fork, trusted: true });
    await project.launch();
    return attempt;
  };
  const data = join(folder, 'train.jsonl');
  const before = await readFile(data);
  await appendFile(data, '{"prompt":"code 99:","completion":" 1-1"}\n');
  assert.match(
    await attemptOver(fork, await again()),
    /^failed: It would not be the same run: the content of train has changed/,
  );
  await writeFile(data, before);
  const attempt = await again();
  await stepOf(fork, attempt);
  await sendControl(fork, 'stop');
  assert.match(await attemptOver(fork, attempt), /^stopped/);
});

test('every case was refused', t => {
  const all = recipes.length + contents.length;
  assert.equal(refused.length, all);
  t.diagnostic(
    `B8 resume with changed recipe, data, base weights, tokenizer or numerics: ${refused.length} of ${all} refused with what differs`,
  );
});

/** Each attempt begins with its trainer's hello. */
async function stepOf(run: RunFolder, attempt: number): Promise<void> {
  await until(`a step of attempt ${attempt}`, async () => {
    let hellos = 0;
    for await (const { records } of readJournal(run)) {
      for (const { type } of records) {
        if (type === 'hello') hellos++;
        if (type === 'step' && hellos === attempt) return true;
      }
    }
    return false;
  });
}

async function flipLastBit(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(file, bytes);
}

/** As a checkpoint of another engine version would be: whole, and verified. */
async function writtenByOtherNumerics(file: string): Promise<void> {
  const counters = JSON.parse(await readFile(file, 'utf8')) as { identity: Record<string, string> };
  counters.identity.numerics = 'other-0';
  const text = JSON.stringify(counters);
  await writeFile(file, text);
  const listed = join(checkpoint, manifestFile);
  const manifest = JSON.parse(await readFile(listed, 'utf8')) as {
    files: Record<string, { bytes: number; sha256: string }>;
  };
  manifest.files['counters.json'] = { bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') };
  await writeFile(listed, JSON.stringify(manifest));
}
