import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import type { Batch } from '../../src/engine/batch.ts';
import { prepareRun } from '../../src/engine/prepare.ts';
import type { PreparedEvent, TrainerEvent } from '../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../engine/support/tinyRun.ts';
import { ofType, prepared, runOn, torchTrainer } from './engines.ts';

let files: TinyFiles;
before(async () => {
  files = await makeTinyFiles();
});

type Regularize = NonNullable<NonNullable<TinyRecipe['method']>['regularize']>;
type Adapter = NonNullable<TinyRecipe['adapter']>;

const replay = { data: 'replay.txt', share: 0.37 };
const kl: Regularize = { kind: 'kl', weight: 0.7, on: ['task'] };
const lora: Adapter = { type: 'lora', r: 4, alpha: 8, target_modules: ['q_proj', 'v_proj', 'down_proj'] };

const recipes: Record<string, TinyRecipe> = {
  plain: { train: { weight_decay: 0.1, warmup_steps: 5 } },
  'replay in micro-batches': { method: { replay }, train: { batch_size: 6, micro_batch_size: 3 } },
  'packed rows': { train: { packing: true, lr_scheduler: 'linear' } },
  'KL by swapped tensors': { method: { regularize: kl, replay } },
  'reverse KL from a copy at temperature 2': {
    method: {
      replay,
      regularize: { ...kl, on: ['task', 'replay'], teacher: 'copy', direction: 'reverse', temperature: 2 },
    },
  },
  narrow: { method: { narrow: { tune: ['gate_proj', { last_layers: 1 }], learning_rate: 8e-3 } } },
  'an adapter with KL, merged': { adapter: { ...lora, output: 'merged' }, method: { regularize: kl } },
  'an adapter on attention alone': { adapter: lora, method: { narrow: { tune: ['attention'] } } },
};

/** The largest difference of each metric but speed. */
function stepsApart(a: TrainerEvent[], b: TrainerEvent[]): Record<string, number> {
  const [left, right] = [ofType(a, 'step'), ofType(b, 'step')];
  assert.equal(left.length, right.length);
  const apart: Record<string, number> = {};
  for (const [i, { metrics }] of left.entries()) {
    assert.deepEqual(Object.keys(metrics).sort(), Object.keys(right[i]!.metrics).sort());
    for (const [name, value] of Object.entries(metrics)) {
      if (name === 'tokensPerSecond') continue;
      apart[name] = Math.max(apart[name] ?? 0, Math.abs(value! - right[i]!.metrics[name]!));
    }
  }
  return apart;
}

/** The largest difference of forgetting, learning and KL over all evaluations. */
function evaluationsApart(a: TrainerEvent[], b: TrainerEvent[]): number {
  const [left, right] = [ofType(a, 'evaluated'), ofType(b, 'evaluated')];
  assert.deepEqual(
    left.map(({ step, final }) => [step, final]),
    right.map(({ step, final }) => [step, final]),
  );
  const differences = left.flatMap((event, i) => [
    ...Object.entries(event.forgetting).flatMap(([name, set]) => {
      const other = right[i]!.forgetting[name]!;
      assert.equal(set.verdict, other.verdict);
      return [set.value - other.value, set.low - other.low, set.high - other.high, set.base - other.base];
    }),
    ...Object.entries(event.learning).map(([name, { value }]) => value - right[i]!.learning[name]!.value),
    ...Object.entries(event.kl).map(([name, value]) => value! - right[i]!.kl[name]!),
  ]);
  return Math.max(...differences.map(Math.abs));
}

for (const [name, recipe] of Object.entries(recipes)) {
  test(`${name}: over 50 steps the torch engine's losses are the embedded engine's to 1e-4, forgetting to 1e-3`, async t => {
    const whole = { ...recipe, train: { ...recipe.train, max_steps: 50 }, evaluate: { every: 25, items: 16 } };
    const node = await runOn('node', files.start(whole));
    const torch = await runOn('torch', files.start(whole));
    assert.deepEqual([node.code, torch.code], [0, 0], `${node.stderr}\n${torch.stderr}`);
    const apart = stepsApart(node.events, torch.events);
    const evaluated = evaluationsApart(node.events, torch.events);
    t.diagnostic(`${JSON.stringify(apart)}, evaluations ${evaluated}`);
    assert.deepEqual([apart.tokens, apart.taskTokens, apart.learningRate], [0, 0, 0]);
    for (const metric of ['loss', 'objective', 'replayLoss', 'penalty.kl'])
      assert.ok((apart[metric] ?? 0) <= 1e-4, metric);
    assert.ok(evaluated <= 1e-3);
    const [one, other] = [node, torch].map(({ events }) => madeOf(events));
    assert.deepEqual(other, one);
  });
}

/** What a run is made of; the order in which a model lists its modules is its own. */
function madeOf(events: TrainerEvent[]) {
  const [{ parameters, trainedParameters, trained, steps, fingerprints }] = ofType(events, 'prepared') as [
    PreparedEvent,
  ];
  return { parameters, trainedParameters, trained: trained.split(/[ ,]+/).sort(), steps, of: fingerprints.comparison };
}

interface ReadRow {
  kind: string;
  ids: number[];
  labels: number[];
  positions: number[];
}

/** Both engines pad as they like: what lies behind a row's last token is nobody's. */
function rowsOf({ rows, length, ids, labels, positions, segments, kinds }: Batch): ReadRow[] {
  const found = Array.from({ length: rows }, (_, b) => {
    const own = (values: Int32Array): number[] => [...values.subarray(b * length, (b + 1) * length)];
    const tokens = own(segments).filter(segment => segment > 0).length;
    const [i, l, p] = [ids, labels, positions].map(values => own(values).slice(0, tokens));
    return { kind: kinds[b] === 0 ? 'task' : 'replay', ids: i!, labels: l!, positions: p! };
  });
  // The embedded engine's programs have a fixed number of rows.
  return found.filter(({ ids }) => ids.length > 0);
}

test('the first batches of every recipe are the same on both engines: tokens, loss masks, positions, order', async () => {
  const steps = 3;
  const starts = await Promise.all(Object.values(recipes).map(recipe => prepared(files.start(recipe))));
  const folders = starts.map(start => start.prepared!);
  const program = join(import.meta.dirname, 'batches.py');
  const told = await promisify(execFile)(torchTrainer()[0], ['-B', program, String(steps), ...folders]);
  const read = JSON.parse(told.stdout) as ReadRow[][][][];
  for (const [i, name] of Object.keys(recipes).entries()) {
    const { plan } = await prepareRun(starts[i]!);
    for (let step = 1; step <= steps; step++) {
      const expected = plan.at(step).microBatches.map(rowsOf);
      assert.ok(expected.flat().some(({ labels }) => labels.includes(-100) && labels.some(label => label >= 0)));
      assert.deepEqual(read[i]![step - 1], expected, `${name}, step ${step}`);
    }
  }
});
