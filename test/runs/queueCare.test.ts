import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueCare, type RunnerSeen } from '../../src/runs/queueCare.ts';

/** What came of looks half a second apart: when a runner was to be started, when it was given up. */
function looks(seen: (second: number) => RunnerSeen, seconds: number): string[] {
  const care = new QueueCare();
  const came: string[] = [];
  for (let at = 0; at <= seconds; at += 0.5) {
    const wanted = care.look(seen(at), at * 1000);
    if (wanted !== 'wait') came.push(`${wanted} at ${at}`);
    if (wanted === 'give up') break;
  }
  return came;
}

test('a queue without a runner is given one, once more, and is given up when neither comes', () => {
  assert.deepEqual(
    looks(() => 'none', 100),
    ['start at 5', 'start at 20', 'give up at 35'],
  );
});

test('a runner that is there, or comes in time, is left alone', () => {
  assert.deepEqual(
    looks(() => 'idle', 100),
    [],
  );
  assert.deepEqual(
    looks(second => (second < 4 ? 'none' : 'busy'), 100),
    [],
  );
});

test('a runner that is killed again and again while runs are taken is replaced each time; one that takes nothing is not', () => {
  const dying = (alive: RunnerSeen) => looks(second => (second % 20 < 10 ? alive : 'none'), 200).length;
  assert.equal(dying('busy'), 10);
  assert.equal(dying('idle'), 1);
});
