import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type Batch, ignoredLabel } from '../../../src/engine/batch.ts';
import { makeBatch } from '../../../src/engine/data/rows.ts';
import type { FirstStep } from '../../../src/engine/evaluate/stepZero/checkResult.ts';
import { refuseFailedChecks, stepZeroChecks } from '../../../src/engine/evaluate/stepZero/checks.ts';
import { openTuningModel } from '../../../src/engine/model/openTuningModel.ts';
import type { TuningModel } from '../../../src/engine/model/tuningModel.ts';
import { prepareRun } from '../../../src/engine/prepare.ts';
import { RunControl } from '../../../src/engine/runControl.ts';
import { train } from '../../../src/engine/trainer.ts';
import { roundTo } from '../../../src/engine/weights/float.ts';
import { ModelWeights } from '../../../src/engine/weights/modelFolder.ts';
import type { StartCommand, StepZeroCheck } from '../../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../support/tinyRun.ts';

let files: TinyFiles;
/** A model that knows sentences: without that no shift can be told from another. */
let trained: string;
before(async () => {
  files = await makeTinyFiles();
  const start = files.start({
    data: { train: 'replay.txt' },
    retain: { probes: {} },
    train: { max_steps: 120, learning_rate: 1e-2, batch_size: 8 },
    evaluate: { every: 1000 },
    checkpoint: { every: 1000, keep: ['last'] },
  });
  await train(start, () => {}, new RunControl());
  trained = start.outputs.model;
});

interface Opened {
  model: TuningModel;
  first: FirstStep;
  folder: string;
}

async function opened(recipe: TinyRecipe, folder: string, use: (opened: Opened) => Promise<void>): Promise<void> {
  const start: StartCommand = files.start(recipe);
  start.paths.model = folder;
  const { plan, sets } = await prepareRun(start);
  const model = await openTuningModel({ folder, recipe: start.recipe, threads: 1 });
  const { microBatches, task, replay } = plan.at(1);
  const rows = [task, replay];
  try {
    const batches = microBatches.map((batch, i) => ({ batch, rows: rows[i]! }));
    const known = sets
      .find(({ name }) => name === 'general')
      ?.items.slice(0, 8)
      .map(({ sequences }) => [sequences[0]!]);
    const familiar = known && { rows: known, batch: makeBatch(known, 0, { rows: 8, maxLength: 32 }) };
    await use({ model, first: { batches, familiar }, folder });
  } finally {
    await model.close();
  }
}

async function failedChecks({ model, first, folder }: Opened): Promise<StepZeroCheck[]> {
  const weights = await ModelWeights.open(folder);
  const checked = await stepZeroChecks(model, first, {
    names: [...weights.tensors.keys()],
    read: name => weights.read(name),
  });
  await weights.close();
  const failed = Object.entries(checked.checks).filter(([, { status }]) => status === 'failed');
  assert.equal(checked.ok, failed.length === 0);
  if (!checked.ok) assert.throws(() => refuseFailedChecks(checked), { code: `check-${failed[0]![0]}` });
  return failed.map(([name]) => name as StepZeroCheck);
}

/** The model with some of its answers changed. */
function withFault(model: TuningModel, fault: Partial<TuningModel>): TuningModel {
  return new Proxy(model, {
    get(target, key) {
      if (key in fault) return fault[key as keyof TuningModel];
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const changed = (first: FirstStep, change: (batch: Batch) => Partial<Batch>): FirstStep => ({
  ...first,
  batches: first.batches.map(({ batch, rows }) => ({ batch: { ...batch, ...change(batch) }, rows })),
});

const text: TinyRecipe = { data: { train: 'general.txt' }, retain: { probes: {} } };
const lora: TinyRecipe = { adapter: { type: 'lora' } };
const guarded: TinyRecipe = {
  method: { replay: { data: 'replay.txt' }, regularize: { on: ['task', 'replay'] }, narrow: {} },
};

test('sound runs pass every check: plain, adapter, all methods, packed, random and trained weights', async () => {
  for (const recipe of [{}, lora, guarded, { train: { packing: true } }, text]) {
    for (const folder of [files.model, trained]) {
      await opened(recipe, folder, async run => assert.deepEqual(await failedChecks(run), []));
    }
  }
});

test('labels: a batch whose labels are not shifted, or shifted twice, is caught', async () => {
  await opened(text, trained, async run => {
    const unshifted = changed(run.first, ({ ids, labels }) => ({
      labels: labels.map((label, t) => (label === ignoredLabel ? label : ids[t]!)),
    }));
    assert.ok((await failedChecks({ ...run, first: unshifted })).includes('labels'));
    const twice = changed(run.first, ({ labels }) => ({
      labels: labels.map((label, t) => (label === ignoredLabel ? label : Math.max(0, labels[t + 1] ?? 0))),
    }));
    assert.ok((await failedChecks({ ...run, first: twice })).includes('labels'));
  });
});

test('labels: a loss head that shifts by itself is caught, on a model that knows nothing too', async () => {
  for (const folder of [files.model, trained]) {
    await opened(text, folder, async run => {
      const { model } = run;
      const shifted: TuningModel['score'] = (batch, weights) =>
        model.score({ ...batch, labels: batch.labels.map((label, t) => (label < 0 ? label : batch.ids[t]!)) }, weights);
      assert.deepEqual(await failedChecks({ ...run, model: withFault(model, { score: shifted }) }), [
        'labels',
        'trainEqualsEval',
      ]);
    });
  }
});

test('labels: a model that answers for the wrong position, in loss and logits alike, is caught by the other shifts', async () => {
  await opened(text, trained, async run => {
    const { model } = run;
    // Position t sees the token after it: what comes out fits the token after next.
    const ahead = (batch: Batch): Batch => ({
      ...batch,
      ids: Int32Array.from(batch.ids, (id, t) => batch.ids[t + 1] ?? id),
    });
    const fault = {
      score: (batch: Batch, weights: 'tuned' | 'base') => model.score(ahead(batch), weights),
      logits: (batch: Batch, weights: 'tuned' | 'base') => model.logits(ahead(batch), weights),
    };
    assert.ok((await failedChecks({ ...run, model: withFault(model, fault) })).includes('labels'));
  });
});

test('mask: prompts that are learned, answers that are not, and nothing learned at all are caught', async () => {
  await opened({}, files.model, async run => {
    const everything = run.first.batches.map(({ rows, batch }) => {
      const all = rows.map(row => row.map(({ ids }) => ({ ids, targets: new Uint8Array(ids.length).fill(1) })));
      return { rows, batch: makeBatch(all, 0, { rows: batch.rows, maxLength: 32 }) };
    });
    assert.deepEqual(await failedChecks({ ...run, first: { batches: everything } }), ['mask']);
    let isFirst = true;
    const oneLess = changed(run.first, ({ labels }) => ({
      labels: labels.map(label => {
        if (label < 0 || !isFirst) return label;
        isFirst = false;
        return ignoredLabel;
      }),
    }));
    assert.deepEqual(await failedChecks({ ...run, first: oneLess }), ['mask']);
  });
});

test('mask: a model that takes loss where none is asked for is caught', async () => {
  await opened({}, files.model, async run => {
    const { model } = run;
    const greedy: TuningModel['score'] = async (batch, weights) =>
      (await model.score(batch, weights)).map(score => (score === 0 ? 1 : score));
    assert.ok((await failedChecks({ ...run, model: withFault(model, { score: greedy }) })).includes('mask'));
  });
});

test('precision: weights rounded on their way into the model are caught', async () => {
  for (const recipe of [{}, lora]) {
    await opened(recipe, files.model, async run => {
      const { state } = run.model;
      const name = 'model.layers.0.mlp.up_proj.weight';
      await state.write(name, roundTo(await state.read(name), 'bf16'));
      assert.ok((await failedChecks(run)).includes('precision'));
    });
  }
});

test('neutral: an adapter that does not start at zero is caught', async () => {
  await opened(lora, trained, async run => {
    const { state, trainedNames } = run.model;
    const name = trainedNames.find(tensor => tensor.includes('lora_B'))!;
    await state.write(name, (await state.read(name)).fill(0.05));
    assert.deepEqual(await failedChecks(run), ['neutral']);
  });
});

test('penalty: a regularizer with an offset, or one that pulls at the base, is caught', async () => {
  await opened(guarded, trained, async run => {
    const { model } = run;
    const offset: TuningModel['probe'] = async batches => {
      const found = await model.probe(batches);
      return { ...found, penalties: { 'penalty.kl': found.penalties['penalty.kl']! + 0.01 } };
    };
    assert.deepEqual(await failedChecks({ ...run, model: withFault(model, { probe: offset }) }), ['penalty']);
    const pulling: TuningModel['probe'] = async batches => ({
      ...(await model.probe(batches)),
      penaltyGradientNorm: 0.3,
    });
    assert.deepEqual(await failedChecks({ ...run, model: withFault(model, { probe: pulling }) }), ['penalty']);
  });
});

test('trainEqualsEval: a training loss that counts the prompts too is caught', async () => {
  await opened({}, trained, async run => {
    const { model } = run;
    const everything: TuningModel['probe'] = batches =>
      model.probe(batches.map(batch => ({ ...batch, labels: batch.ids.map((_, t) => batch.ids[t + 1] ?? 0) })));
    assert.deepEqual(await failedChecks({ ...run, model: withFault(model, { probe: everything }) }), [
      'trainEqualsEval',
    ]);
  });
});

test('a failed check stops the run with its name, before the first step', async () => {
  const start = files.start({ retain: { probes: {} } });
  const data = Array.from({ length: 8 }, (_, i) =>
    JSON.stringify({ text: `\u0001\u0002\u0003 ${i} \u0004\u0005\u0006\u0007` }),
  );
  await writeFile(join(files.folder, 'foreign.jsonl'), data.join('\n'));
  start.paths.model = trained;
  start.paths['train.jsonl'] = join(files.folder, 'foreign.jsonl');
  const told: string[] = [];
  const outcome = train(start, event => told.push(event.type), new RunControl());
  await assert.rejects(outcome, { code: 'check-labels', message: /worse than guessing/ });
  assert.ok(told.includes('checked') && !told.includes('step'));
});
