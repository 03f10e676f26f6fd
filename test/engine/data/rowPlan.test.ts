import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ignoredLabel } from '../../../src/engine/batch.ts';
import { RowPlan } from '../../../src/engine/data/rowPlan.ts';
import { bucketLength, makeBatch, type Row, tokenCount } from '../../../src/engine/data/rows.ts';

/** Row i is recognised by its first id. */
const rowsOf = (count: number, first = 0, length = 6): Row[] =>
  Array.from({ length: count }, (_, i) => [
    { ids: Int32Array.from({ length }, (_, t) => first + i + t), targets: new Uint8Array(length).fill(1) },
  ]);
const name = (row: Row): number => row[0]!.ids[0]!;

const base = { task: rowsOf(10), batchSize: 4, microBatchSize: 4, maxLength: 16, seed: 1 };

test('every task row comes once before any comes again, and each epoch has its own order', () => {
  const plan = new RowPlan(base);
  const seen = Array.from({ length: 5 }, (_, i) => plan.at(i + 1).task.map(name)).flat();
  const [first, second] = [seen.slice(0, 10), seen.slice(10, 20)];
  for (const epoch of [first, second])
    assert.deepEqual(
      epoch.toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
  assert.notDeepEqual(first, second);
});

test('a step can be asked for alone: nothing depends on the steps before it', () => {
  const through = new RowPlan(base);
  for (let step = 1; step < 7; step++) through.at(step);
  assert.deepEqual(through.at(7), new RowPlan(base).at(7));
});

test('task batches are identical with and without replay', () => {
  const plain = new RowPlan(base);
  const replayed = new RowPlan({ ...base, replay: { rows: rowsOf(7, 100), share: 0.3 } });
  for (let step = 1; step <= 20; step++) {
    const tasks = replayed.at(step).microBatches.filter(batch => batch.kinds[0] === 0);
    assert.deepEqual(tasks, plain.at(step).microBatches);
  }
});

test('replay rows hold their share over time within one row, also when a step has a fraction of one', () => {
  for (const share of [0.05, 0.1, 0.2, 0.25, 1 / 3, 0.5, 0.8]) {
    const plan = new RowPlan({ ...base, replay: { rows: rowsOf(7, 100), share } });
    let replay = 0;
    for (let step = 1; step <= 300; step++) {
      const rows = plan.at(step);
      assert.equal(rows.task.length, 4);
      replay += rows.replay.length;
      assert.ok(Math.abs(replay - (share / (1 - share)) * 4 * step) < 1, `share ${share}, step ${step}: ${replay}`);
    }
  }
});

test('replay visits every row once before any repeats, in a new order each time', () => {
  const plan = new RowPlan({ ...base, replay: { rows: rowsOf(5, 100), share: 0.2 } });
  const seen = Array.from({ length: 10 }, (_, i) => plan.at(i + 1).replay.map(name)).flat();
  assert.equal(seen.length, 10);
  assert.deepEqual(seen.slice(0, 5).sort(), [100, 101, 102, 103, 104]);
  assert.deepEqual(seen.slice(5).sort(), [100, 101, 102, 103, 104]);
  assert.notDeepEqual(seen.slice(0, 5), seen.slice(5));
});

test('micro-batches keep below the limit, are of one kind and of few shapes', () => {
  const plan = new RowPlan({ ...base, batchSize: 7, microBatchSize: 3, replay: { rows: rowsOf(5, 100), share: 0.2 } });
  const shapes = new Set<string>();
  for (let step = 1; step <= 12; step++) {
    const { microBatches, task, replay, tokens } = plan.at(step);
    for (const batch of microBatches) {
      assert.ok(batch.rows <= 3);
      assert.equal(new Set(batch.kinds).size, 1);
      shapes.add(`${batch.kinds[0]} ${batch.rows}x${batch.length}`);
    }
    assert.equal(tokens, 6 * (task.length + replay.length));
    assert.equal(
      tokens,
      microBatches.reduce((sum, batch) => sum + tokenCount(batch), 0),
    );
  }
  assert.deepEqual([...shapes].sort(), ['0 3x8', '1 2x8']);
});

test('rows grouped by length: each comes once an epoch, a batch has neighbours in length, and a step can be asked for alone', () => {
  const lengthAt = (row: number): number => 3 + ((row * 7) % 14);
  const task = rowsOf(60).map(
    ([sequence], i): Row => [{ ids: sequence!.ids.slice(0, 1).fill(i), targets: sequence!.targets }],
  );
  const grouped = { ...base, task, lengthOf: lengthAt };
  const plan = new RowPlan(grouped);
  const steps = Array.from({ length: 30 }, (_, i) => plan.drawn(i + 1).task);
  for (const epoch of [steps.slice(0, 15), steps.slice(15)]) {
    assert.deepEqual(
      epoch.flat().toSorted((a, b) => a - b),
      task.map((_, i) => i),
    );
  }
  // A quarter of 60 rows in batches of 4 is three batches: windows of 12.
  for (let from = 0; from < 15; from += 3) {
    const window = steps.slice(from, from + 3).flatMap(rows => rows.map(lengthAt));
    assert.deepEqual(
      window,
      window.toSorted((a, b) => b - a),
    );
  }
  assert.notDeepEqual(steps.slice(0, 15), steps.slice(15));
  assert.deepEqual(new RowPlan(grouped).at(23), plan.at(23));
});

test('epochs become steps, the last one whole', () => {
  assert.equal(new RowPlan(base).stepsOf(1), 3);
  assert.equal(new RowPlan(base).stepsOf(2), 5);
  assert.equal(new RowPlan(base).stepsOf(0.01), 1);
});

test('a batch shifts labels by one, restarts positions at borders and never predicts across them', () => {
  const row: Row = [
    { ids: Int32Array.of(5, 6, 7), targets: Uint8Array.of(0, 0, 1) },
    { ids: Int32Array.of(8, 9), targets: Uint8Array.of(1, 1) },
  ];
  const batch = makeBatch([row], 1, { rows: 2, maxLength: 8 });
  const none = ignoredLabel;
  assert.deepEqual([...batch.ids], [5, 6, 7, 8, 9, 0, 0, 0, ...new Array(8).fill(0)]);
  assert.deepEqual([...batch.labels], [none, 7, none, 9, none, none, none, none, ...new Array(8).fill(none)]);
  assert.deepEqual([...batch.positions.subarray(0, 8)], [0, 1, 2, 0, 1, 0, 0, 0]);
  assert.deepEqual([...batch.segments.subarray(0, 8)], [1, 1, 1, 2, 2, 0, 0, 0]);
  assert.deepEqual([...batch.kinds], [1, 1]);
});

test('lengths fall into at most four buckets that hold the longest row', () => {
  for (const max of [8, 64, 100, 128, 2048]) {
    const buckets = new Set(Array.from({ length: max }, (_, i) => bucketLength(i + 1, max)));
    assert.ok(buckets.size <= 4, `${max}: ${[...buckets]}`);
    assert.equal(bucketLength(max, max), max);
    assert.ok(bucketLength(1, max, 8) <= bucketLength(1, max));
    for (let i = 1; i <= max; i++) assert.ok(bucketLength(i, max) >= i);
  }
});
