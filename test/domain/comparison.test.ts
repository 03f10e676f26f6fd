import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareRuns, deltaBetween, differingSettings, markFront, runLabels } from '../../src/domain/comparison.ts';
import type { PreparedEvent } from '../../src/protocol/trainer.ts';
import { normal } from './randomValues.ts';
import { accuracy, evaluated, FakeJournal, finished, prepared, setScore } from './runs.ts';

interface Arm {
  variant: string;
  learned?: number;
  forgot?: number;
  points?: number;
  fingerprints?: Partial<PreparedEvent['fingerprints']>;
  settings?: Record<string, string>;
}

function arm({ variant, learned = 1, forgot = 0.1, points = 3, fingerprints, settings }: Arm) {
  const identity = {
    id: `run-${variant}`,
    variant,
    settings: { model: 'm', variant, 'train.max_length': '128', ...settings },
  };
  const event = prepared();
  const sets = {
    general: setScore(forgot, { budget: { nats: 0.05 }, verdict: 'forgot' }),
    sums: setScore(0.1, { kind: 'choice', accuracy: accuracy(points), budget: { points: 2 }, verdict: 'cannot tell' }),
  };
  return new FakeJournal(identity)
    .say({ ...event, fingerprints: { ...event.fingerprints, ...fingerprints } })
    .steps(1, 10)
    .say(evaluated(10, learned, sets, true), finished(10))
    .view('finished');
}

test('each run stands on the plane of each set, in the unit of the budget', () => {
  const { plane, budgets, refusals } = compareRuns([
    arm({ variant: 'plain' }),
    arm({ variant: 'narrow', forgot: 0.02 }),
  ]);
  assert.deepEqual(refusals, []);
  assert.deepEqual(budgets, { general: { value: 0.05, unit: 'nats/token' }, sums: { value: 2, unit: 'points' } });
  const general = plane.find(({ run, set }) => run === 'run-narrow' && set === 'general')!;
  assert.deepEqual([general.forgetting.value, general.unit, general.learning.value], [0.02, 'nats/token', 1]);
  const sums = plane.find(({ run, set }) => run === 'run-plain' && set === 'sums')!;
  assert.deepEqual([sums.forgetting, sums.unit], [{ value: 3, low: 1, high: 5 }, 'points']);
});

test('runs that were measured differently are refused, each with its reason, and stand on no plane', () => {
  const runs = [
    arm({ variant: 'plain' }),
    arm({ variant: 'replay' }),
    arm({ variant: 'other-base', fingerprints: { comparison: 'c2', model: 'm2' } }),
    arm({ variant: 'other-items', fingerprints: { comparison: 'c3', probes: { general: 'g2', sums: 's1' } } }),
    arm({ variant: 'fewer-sets', fingerprints: { comparison: 'c4', probes: { general: 'g1' } } }),
    arm({ variant: 'other-cut', fingerprints: { comparison: 'c5' }, settings: { 'train.max_length': '64' } }),
    arm({ variant: 'other-scorer', fingerprints: { comparison: 'c6' } }),
  ];
  const { refusals, plane } = compareRuns(runs);
  assert.equal(refusals.length, 5);
  assert.match(refusals[0]!, /^other-base: not compared with the others: it is measured against another base model$/);
  assert.match(refusals[1]!, /its probe set general holds other items/);
  assert.match(refusals[2]!, /it lacks the probe set sums/);
  assert.match(refusals[3]!, /cut at another length \(train\.max_length 64\)/);
  assert.match(refusals[4]!, /another version or with another template/);
  assert.deepEqual([...new Set(plane.map(({ run }) => run))], ['run-plain', 'run-replay']);
});

test('a base in 4 bits is named where it is what keeps runs apart', () => {
  const packed = (variant: string, base = 'm') =>
    arm({
      variant,
      fingerprints: { comparison: base === 'm' ? 'c7' : 'c8' },
      settings: { 'retain.base': base, 'adapter.load_in_4bit': 'true' },
    });
  const whole = (variant: string) => arm({ variant, settings: { 'retain.base': 'm' } });
  assert.deepEqual(compareRuns([whole('plain'), whole('replay'), packed('narrow')]).refusals, [
    'narrow: not compared with the others: its base is held in 4 bits (adapter.load_in_4bit)',
  ]);
  assert.deepEqual(compareRuns([packed('plain'), packed('replay'), whole('narrow')]).refusals, [
    'narrow: not compared with the others: the base of the others is held in 4 bits (adapter.load_in_4bit)',
  ]);
  // A base of its own is measured as it is stored.
  assert.deepEqual(compareRuns([whole('plain'), whole('replay'), packed('narrow', 'other')]).refusals, [
    'narrow: not compared with the others: it is measured against another base model',
  ]);
});

test('the largest group that was measured alike is the one compared, whatever comes first', () => {
  const odd = arm({ variant: 'odd', fingerprints: { comparison: 'c9', tokenizer: 't9' } });
  const { refusals, plane } = compareRuns([odd, arm({ variant: 'plain' }), arm({ variant: 'replay' })]);
  assert.match(refusals[0]!, /^odd: .*its tokenizer is another one/);
  assert.equal(
    plane.some(({ run }) => run === 'run-odd'),
    false,
  );
});

test('a run that has not been measured says so', () => {
  const queued = new FakeJournal({ id: 'q', variant: 'narrow' }).view('queued');
  const { refusals } = compareRuns([arm({ variant: 'plain' }), queued]);
  assert.deepEqual(refusals, ['narrow: not measured yet (queued)']);
  assert.deepEqual(compareRuns([queued]).plane, []);
  assert.deepEqual(compareRuns([]).refusals, []);
});

test('only settings that differ are listed, and a setting that one run lacks is one', () => {
  const runs: { id: string; settings: Record<string, string> }[] = [
    { id: 'a', settings: { x: '1', y: '2', name: 'n1' } },
    { id: 'b', settings: { x: '1', y: '3', z: '4', name: 'n2' } },
  ];
  assert.deepEqual(differingSettings(runs), { y: { a: '2', b: '3' }, z: { a: '', b: '4' } });
});

test('a point is on the front exactly when no other learned as much and forgot as little', () => {
  for (let sample = 0; sample < 50; sample++) {
    const points = Array.from({ length: 12 }, (_, i) => {
      const [learning, forgetting] = [Math.round(normal(sample, 2 * i) * 3), Math.round(normal(sample, 2 * i + 1) * 3)];
      const exact = (value: number) => ({ value, low: value, high: value });
      return {
        run: String(i),
        set: 's',
        unit: 'u',
        onFront: false,
        learning: exact(learning),
        forgetting: exact(forgetting),
      };
    });
    for (const point of markFront(points)) {
      const beaten = points.some(
        other =>
          other.learning.value >= point.learning.value &&
          other.forgetting.value <= point.forgetting.value &&
          (other.learning.value > point.learning.value || other.forgetting.value < point.forgetting.value),
      );
      assert.equal(point.onFront, !beaten);
    }
  }
});

test('labels are as short as tells the runs apart', () => {
  const run = (id: string, name: string, variant: string) => ({ id, name, variant });
  assert.deepEqual(runLabels([run('a', 'tone', 'plain'), run('b', 'tone', 'replay')]), { a: 'plain', b: 'replay' });
  assert.deepEqual(runLabels([run('a', 'tone', 'plain'), run('b', 'town', 'plain')]), {
    a: 'tone · plain',
    b: 'town · plain',
  });
  const twins = runLabels([run('x-aaaa', 'tone', 'plain'), run('x-bbbb', 'tone', 'plain')]);
  assert.deepEqual(twins, { 'x-aaaa': 'plain (aaaa)', 'x-bbbb': 'plain (bbbb)' });
});

test('a difference within the two intervals is noise', () => {
  const at = (value: number, half: number) => ({ value, low: value - half, high: value + half });
  assert.equal(deltaBetween(at(0.3, 0.05), at(0.1, 0.05)).beyondNoise, true);
  assert.equal(deltaBetween(at(0.15, 0.05), at(0.1, 0.05)).beyondNoise, false);
  assert.ok(Math.abs(deltaBetween(at(0.3, 0.05), at(0.1, 0.05)).value - 0.2) < 1e-12);
});
