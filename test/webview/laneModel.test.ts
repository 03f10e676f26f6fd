import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunView } from '../../src/protocol/panel.ts';
import { axisEnd, lanesOfRun, lanesOfRuns, valueRange } from '../../webview/shared/laneModel.ts';
import { runExtras } from '../../webview/shared/runExtras.ts';
import { linearTicks, logTicks, stepLabels, tickLabels } from '../../webview/shared/ticks.ts';
import { fakeRun } from '../pages/fakeRuns.ts';

const entry = (name: string, lane: RunView['catalogue'][number]['lane'], unit = 'nats/token') => ({ name, lane, unit });

test('a run has one lane for each lane name and unit, loss first', () => {
  const lanes = lanesOfRun({
    id: 'r',
    prepared: null,
    catalogue: [
      entry('tokensPerSecond', 'speed', 'tokens/s'),
      entry('forgetting.facts', 'forgetting'),
      entry('forgetting.sums', 'forgetting', 'points'),
      entry('loss', 'loss'),
    ],
  });
  assert.deepEqual(
    lanes.map(lane => lane.id),
    ['loss|nats/token', 'forgetting|nats/token', 'forgetting|points', 'speed|tokens/s'],
  );
});

test('a probe set looks the same in every lane, and no two sets look alike', () => {
  const lanes = lanesOfRun(fakeRun().view);
  const looks = (lane: string) =>
    new Map(lanes.find(({ lane: name }) => name === lane)?.series.map(series => [series.label, series.look]));
  const forgetting = looks('forgetting');
  assert.equal(new Set(forgetting.values()).size, forgetting.size);
  for (const [set, look] of forgetting) assert.equal(looks('kl').get(set), look);
});

test('replayed sets are marked in every lane', () => {
  const marked = lanesOfRun(fakeRun({ arm: 'replay' }).view).flatMap(lane =>
    lane.series.filter(series => series.replayed).map(series => series.name),
  );
  assert.deepEqual(marked, ['kl.general', 'forgetting.general']);
});

test('compared runs share a lane for each series, and each keeps its colour', () => {
  const runs = [fakeRun({ arm: 'plain' }).view, fakeRun({ arm: 'narrow' }).view];
  const lane = lanesOfRuns(runs).find(({ id }) => id === 'forgetting.facts');
  assert.deepEqual(
    lane?.series.map(({ run, look }) => [run, look]),
    runs.map(({ id, colour }) => [id, colour]),
  );
});

test('the step axis runs ahead in round numbers and ends with the run', () => {
  assert.equal(axisEnd(0, 200), 10);
  assert.equal(axisEnd(15, 200), 20);
  assert.equal(axisEnd(84, 200), 100);
  assert.equal(axisEnd(101, 200), 200);
  assert.equal(axisEnd(200, 200), 200);
  assert.equal(axisEnd(210, 200), 210);
  assert.equal(axisEnd(730, null), 1000);
  assert.equal(axisEnd(0, 4), 4);
});

test('the step axis moves only a few times in a long run', () => {
  const ends = new Set(Array.from({ length: 100_000 }, (_, step) => axisEnd(step, 100_000)));
  assert.ok(ends.size < 16, `${ends.size} moves`);
});

test('the value axis holds all values and zero where zero means something', () => {
  const [low, high] = valueRange([0.013, 0.42], false, [0]);
  assert.equal(low, 0);
  assert.ok(high >= 0.42 && high < 0.6);
  const [below] = valueRange([-0.01, 0.3], false, [0]);
  assert.ok(below < -0.01);
  assert.deepEqual(valueRange(null, false), [0, 1]);
});

test('a flat line lies inside its axis', () => {
  for (const value of [0, 2, -3, 1e-9]) {
    const [low, high] = valueRange([value, value], false);
    assert.ok(low <= value && high > low, `${value}: ${low} to ${high}`);
  }
});

test('ticks are round and never more than there is room for', () => {
  assert.deepEqual(linearTicks(0, 0.4, 5), [0, 0.1, 0.2, 0.30000000000000004, 0.4]);
  for (const most of [2, 3, 7]) assert.ok(linearTicks(-0.013, 1.37, most).length <= most + 1);
});

test('steps are whole, and long ones are counted in thousands', () => {
  assert.deepEqual(stepLabels([0, 0.5, 250, 12_500, 100_000]), ['0', '', '250', '12.5k', '100k']);
});

test('a logarithmic axis has ticks even where no power of ten lies', () => {
  const ticks = logTicks(Math.log10(1.1), Math.log10(3.2), 6);
  assert.ok(ticks.length >= 2);
  assert.deepEqual(
    logTicks(0, 2, 4).map(tick => 10 ** tick),
    [1, 10, 100],
  );
});

test('tick labels have the digits that their distance needs', () => {
  assert.deepEqual(tickLabels([0, 0.0005, 0.001]), ['0', '0.0005', '0.001']);
  assert.deepEqual(tickLabels([1.45, 1.5, 1.55]), ['1.45', '1.5', '1.55']);
  assert.deepEqual(tickLabels([-0.2, 0, 0.2]), ['−0.2', '0', '0.2']);
});

test('a budget is drawn in the lane of its unit, once for sets that share it', () => {
  const run = fakeRun().view;
  const forgetting = lanesOfRun(run).find(({ lane }) => lane === 'forgetting')!;
  const budgets = runExtras(run).budgets(forgetting);
  assert.deepEqual(
    budgets.map(({ value, label }) => [value, label]),
    [[0.05, 'budget 0.05']],
  );
  const loss = lanesOfRun(run).find(({ lane }) => lane === 'loss')!;
  assert.deepEqual(runExtras(run).budgets(loss), []);
});

test('what an older attempt did is a faint line under the same name and look, and no line of a comparison', () => {
  const loss = { name: 'loss', unit: 'nats/token', lane: 'loss' as const };
  const branch = { ...loss, name: 'earlier/loss', earlier: true };
  const run = { id: 'a', catalogue: [loss, branch], prepared: null };
  const [lane] = lanesOfRun(run);
  assert.deepEqual(
    lane?.series.map(({ name, label, earlier, hiddenBy }) => [name, label, earlier, hiddenBy]),
    [
      ['loss', 'loss', false, 'loss'],
      ['earlier/loss', 'loss, earlier attempt', true, 'loss'],
    ],
  );
  assert.equal(lane?.series[0]?.look, lane?.series[1]?.look);
  const compared = lanesOfRuns([{ ...run, name: 'x', variant: 'plain', colour: 0 }]);
  assert.deepEqual(
    compared.map(({ id }) => id),
    ['loss'],
  );
});
