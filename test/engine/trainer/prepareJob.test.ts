import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type Batch, ignoredLabel } from '../../../src/engine/batch.ts';
import { makeBatch, taskKind } from '../../../src/engine/data/rows.ts';
import { prepareRun } from '../../../src/engine/prepare.ts';
import { prepare } from '../../../src/engine/prepareJob.ts';
import { RunControl } from '../../../src/engine/runControl.ts';
import { contentIdentity, runIdentity } from '../../../src/engine/runIdentity.ts';
import { learningRateSchedule } from '../../../src/engine/schedule.ts';
import type { PreparedData } from '../../../src/protocol/prepared.ts';
import type { StartCommand } from '../../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../support/tinyRun.ts';

let files: TinyFiles;
before(async () => {
  files = await makeTinyFiles();
});

interface ReadBack {
  start: StartCommand;
  data: PreparedData;
  numbers(section: string): number[];
}

let made = 0;
async function prepared(recipe: TinyRecipe): Promise<ReadBack> {
  const folder = join(files.folder, `prepared-${made++}`);
  const start = files.start(recipe, { job: 'prepare', prepared: folder });
  await prepare(start, () => {}, new RunControl());
  const data = JSON.parse(await readFile(join(folder, 'artifact.json'), 'utf8')) as PreparedData;
  const binary = await readFile(join(folder, 'artifact.bin'));
  assert.equal(binary.length, data.bytes);
  const numbers = (name: string): number[] => {
    const { dtype, offset, length } = data.sections[name]!;
    assert.equal(offset % 8, 0);
    const view = new DataView(binary.buffer, binary.byteOffset + offset);
    return Array.from({ length }, (_, i) => {
      if (dtype === 'int32') return view.getInt32(4 * i, true);
      if (dtype === 'uint8') return view.getUint8(i);
      return dtype === 'int64' ? Number(view.getBigInt64(8 * i, true)) : view.getFloat64(8 * i, true);
    });
  };
  return { start, data, numbers };
}

/** As docs/prepared-data.md says it, with nothing of the engine. */
function batchesOf({ data, numbers }: ReadBack, step: number): Pick<Batch, 'ids' | 'labels' | 'segments' | 'length'>[] {
  const { batch } = data;
  assert.ok(batch);
  const [ids, targets, sequenceStarts, rowStarts] = [
    numbers('ids'),
    numbers('targets'),
    numbers('sequenceStarts'),
    numbers('rowStarts'),
  ];
  const sequencesOf = (row: number) =>
    Array.from({ length: rowStarts[row + 1]! - rowStarts[row]! }, (_, i) => {
      const [from, to] = [sequenceStarts[rowStarts[row]! + i]!, sequenceStarts[rowStarts[row]! + i + 1]!];
      return { ids: ids.slice(from, to), targets: targets.slice(from, to) };
    });
  const laidOut = (rows: number[], size: number) => {
    const found = rows.map(sequencesOf);
    const longest = Math.max(...found.map(row => row.reduce((sum, sequence) => sum + sequence.ids.length, 0)));
    const length = Math.min(
      Math.ceil(longest / batch.lengthStep) * batch.lengthStep,
      Math.max(data.maxLength, longest),
    );
    const cells = size * length;
    const out = {
      length,
      ids: new Int32Array(cells),
      labels: new Int32Array(cells).fill(ignoredLabel),
      segments: new Int32Array(cells),
    };
    for (const [b, row] of found.entries()) {
      let at = b * length;
      for (const [i, sequence] of row.entries()) {
        for (const [t, id] of sequence.ids.entries()) {
          out.ids[at] = id;
          out.segments[at] = i + 1;
          if (t > 0 && sequence.targets[t] === 1) out.labels[at - 1] = id;
          at++;
        }
      }
    }
    return out;
  };
  const blocks = (rows: number[], size: number) =>
    size === 0
      ? []
      : Array.from({ length: Math.ceil(rows.length / size) }, (_, i) =>
          laidOut(rows.slice(i * size, (i + 1) * size), size),
        );
  const task = numbers('taskRows').slice((step - 1) * batch.taskRows, step * batch.taskRows);
  const starts = numbers('replayStarts');
  const replay = numbers('replayRows').slice(starts[step - 1], starts[step]);
  return [...blocks(task, batch.taskMicroRows), ...blocks(replay, batch.replayMicroRows)];
}

const recipes: Record<string, TinyRecipe> = {
  plain: {},
  'replay in micro-batches': {
    method: { replay: { data: 'replay.txt', share: 0.37 } },
    train: { batch_size: 6, micro_batch_size: 3, max_steps: 30, max_length: 40 },
  },
  'rows grouped by length': { train: { group_by_length: true, max_length: 64, num_epochs: 2 } },
  'packed rows with replay': {
    method: { replay: { data: 'replay.txt' } },
    train: { packing: true, max_length: 64, num_epochs: 3, lr_scheduler: 'linear', warmup_steps: 2 },
  },
};

for (const [name, recipe] of Object.entries(recipes)) {
  test(`${name}: the batches read back from the prepared data are those the embedded engine trains on`, async () => {
    const found = await prepared(recipe);
    const run = await prepareRun(found.start);
    assert.equal(found.data.steps, run.steps);
    for (let step = 1; step <= run.steps; step++) {
      const expected = run.plan
        .at(step)
        .microBatches.map(({ ids, labels, segments, length }) => ({ length, ids, labels, segments }));
      assert.deepEqual(batchesOf(found, step), expected, `step ${step}`);
    }
    const schedule = learningRateSchedule(found.start.recipe, run.steps);
    assert.deepEqual(
      found.numbers('learningRates'),
      Array.from({ length: run.steps }, (_, i) => schedule.at(i + 1)),
    );
  });
}

test('what is scored, sampled and answered reads back as the embedded engine has it', async () => {
  const found = await prepared({ retain: { probes: { sums: { file: 'sums.jsonl' } }, prompts: ['Mara sells'] } });
  const run = await prepareRun(found.start);
  const [ids, targets, starts] = ['scoredIds', 'scoredTargets', 'scoredStarts'].map(found.numbers);
  for (const [s, set] of found.data.sets.entries()) {
    const expected = run.sets[s]!;
    const items = set.lines.map((line, i) => {
      const count = set.starts[i + 1]! - set.starts[i]!;
      const sequences = Array.from({ length: count }, (_, j) => {
        const at = set.first + set.starts[i]! + j;
        const [from, to] = [starts![at]!, starts![at + 1]!];
        return { ids: ids!.slice(from, to), targets: targets!.slice(from, to) };
      });
      return { line, main: set.main[i], sequences };
    });
    assert.deepEqual(
      items,
      expected.items.map(({ line, main, sequences }) => ({
        line,
        main,
        sequences: sequences.map(sequence => ({ ids: [...sequence.ids], targets: [...sequence.targets] })),
      })),
    );
    if (set.kind === 'choice') assert.deepEqual(set.characters?.[0], [2, 2, 3]);
  }
  const { klRows, rows, prompts, tokenizer, firstBatch } = found.data;
  assert.deepEqual([klRows?.length, rows], [32, { task: 40, replay: 0 }]);
  const rowsOf = makeBatch(
    klRows!.map(row => run.plan.rows.task.at(row)!),
    taskKind,
    { rows: 32, maxLength: 32 },
  );
  assert.deepEqual(rowsOf, makeBatch(run.trainSample, taskKind, { rows: 32, maxLength: 32 }));
  assert.deepEqual(prompts, [{ text: 'Mara sells', ids: run.tokenizer.encode('Mara sells') }]);
  assert.equal(tokenizer.size, 320);
  assert.equal(firstBatch?.rows.length, 4);
});

test('prepared data carry what a resume compares, and the same fingerprint for comparisons', async () => {
  const { start, data } = await prepared({});
  const { numerics, ...identity } = runIdentity(start, data.fingerprints, { name: 'onnxruntime', provider: 'cpu' });
  assert.ok(numerics);
  assert.deepEqual(data.identity, identity);
  assert.deepEqual(contentIdentity(start, data.fingerprints), identity);
});

test('how rows are packed belongs to a packed run, and to no other', async () => {
  const packed = await prepared({ train: { packing: true } });
  assert.equal(packed.data.identity?.['rows are packed by'], 'best fit');
  assert.ok(!('rows are packed by' in (await prepared({})).data.identity!));
});

test('preparing loads no weights: a model whose weights are no weights is prepared all the same', async () => {
  const weights = join(files.model, 'model.safetensors');
  const kept = await readFile(weights);
  await writeFile(weights, 'no weights');
  try {
    assert.ok((await prepared({})).data.fingerprints.model);
  } finally {
    await rm(weights);
    await writeFile(weights, kept);
  }
});

test('the plan of 100,000 steps is a few megabytes', async () => {
  const { data, numbers } = await prepared({
    method: { replay: { data: 'replay.txt' } },
    train: { max_steps: 100_000, batch_size: 4 },
  });
  assert.ok(data.bytes < 5e6, `${data.bytes} bytes`);
  assert.equal(numbers('taskRows').length, 400_000);
  const run = await prepareRun(files.start({ method: { replay: { data: 'replay.txt' } }, train: { batch_size: 4 } }));
  const last = run.plan.drawn(100_000);
  assert.deepEqual(numbers('taskRows').slice(-4), last.task);
});

test('for finished models and for a program of one’s own nothing is prepared that is trained on', async () => {
  const training = ['steps', 'rows', 'batch', 'klRows', 'identity', 'firstBatch'];
  for (const more of [{ command: ['python', 'train.py'] }, {}]) {
    const folder = join(files.folder, `prepared-${made++}`);
    const start = files.start(more, { job: 'prepare', prepared: folder });
    if (!more.command) delete start.paths[start.recipe.data.train];
    await prepare(start, () => {}, new RunControl());
    const data = JSON.parse(await readFile(join(folder, 'artifact.json'), 'utf8')) as PreparedData;
    assert.deepEqual(Object.keys(data.sections), ['scoredIds', 'scoredTargets', 'scoredStarts']);
    assert.deepEqual(
      training.filter(key => key in data),
      [],
    );
    assert.equal(data.sets.length, 4);
  }
});

test('a program of one’s own is refused probe items that it trains on', async () => {
  const start = files.start({
    command: ['python', 'train.py'],
    data: { train: 'general.txt' },
    retain: { probes: { general: { file: 'general.txt' } } },
  });
  const job = { ...start, job: 'prepare' as const, prepared: join(files.folder, `prepared-${made++}`) };
  await assert.rejects(
    prepare(job, () => {}, new RunControl()),
    /also|train/,
  );
});
