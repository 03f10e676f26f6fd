import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparkline } from '../../src/domain/sparkline.ts';
import {
  durationText,
  formatInterval,
  formatNumber,
  formatSigned,
  inEnglish,
  setSentence,
  statusText,
  verdictNote,
  verdictWord,
} from '../../src/domain/words.ts';
import { accuracy, setScore } from './runs.ts';

test('a kept set reads as one sentence with number, interval and budget', () => {
  const set = setScore(0.03, { budget: { nats: 0.05 }, verdict: 'kept' });
  assert.equal(
    setSentence('general', set),
    'general (300 texts): +0.030 nats/token [0.010, 0.050], within your budget.',
  );
});

test('a forgotten set says how large the budget was', () => {
  const set = setScore(0.3, { budget: { nats: 0.05 }, verdict: 'forgot' });
  assert.match(setSentence('general', set), /\+0\.300 .*, more than your budget of 0\.05 nats\/token\.$/);
});

test('a set judged in points leads with accuracy, as a change, and tells the flips', () => {
  const set = setScore(0.2, {
    kind: 'choice',
    items: 200,
    accuracy: accuracy(8, 17, 1),
    budget: { points: 2 },
    verdict: 'forgot',
  });
  assert.equal(
    setSentence('arithmetic', set),
    'arithmetic (200 questions): accuracy −8.0 points [−10.0, −6.0], more than your budget of 2 points. ' +
      '+0.200 nats/token [0.180, 0.220]; 17 flipped from right to wrong, 1 from wrong to right.',
  );
});

test('"cannot tell" says how many items it would take', () => {
  const set = setScore(0.04, { budget: { nats: 0.05 }, verdict: 'cannot tell', itemsNeeded: 1234 });
  assert.match(
    setSentence('general', set),
    /cannot tell against your budget of 0\.05 nats\/token: it would take about 1300 items/,
  );
  const near = setScore(0.05, { budget: { nats: 0.05 }, verdict: 'cannot tell' });
  assert.match(setSentence('general', near), /too close to your budget/);
});

test("without a budget there is no verdict, and a budget that the set's noise allows is suggested", () => {
  assert.match(
    setSentence('general', setScore(0.03)),
    /no budget given; this set can tell 0\.04 nats\/token from noise\.$/,
  );
});

test('a replayed set says that it wins by construction', () => {
  assert.match(setSentence('general', setScore(0.03, { replayed: true })), /wins by construction\.$/);
});

test('sentences go through the translate function, arguments too', () => {
  const seen: string[] = [];
  setSentence('x', setScore(0.1, { budget: { nats: 1 }, verdict: 'kept' }), (message, ...args) => {
    seen.push(message);
    return inEnglish(message, ...args);
  });
  assert.ok(seen.includes('within your budget'));
  assert.equal(inEnglish('{1} before {0}, {2}', 'a', 5), '5 before a, {2}');
});

test('numbers have the digits that their noise allows, a real minus, and no minus zero', () => {
  assert.equal(formatNumber(0.123456, 0.01), '0.123');
  assert.equal(formatNumber(123.4, 10), '123');
  assert.equal(formatNumber(-0.5), '−0.50');
  assert.equal(formatNumber(-0.0001, 0.1), '0.00');
  assert.equal(formatNumber(0), '0.0');
  assert.equal(formatNumber(Number.NaN), '?');
  assert.equal(formatNumber(Number.NEGATIVE_INFINITY), '−∞');
  assert.equal(formatSigned(0.25), '+0.25');
  assert.equal(formatSigned(0.0001, 0.1), '0.00');
  assert.equal(formatInterval({ value: 0, low: 0, high: 0 }), '0.0 [0.0, 0.0]');
});

test('a status is told in words', () => {
  const run = { step: 40, steps: 200, progress: null };
  assert.equal(statusText({ ...run, status: 'running' }), 'running, step 40 of 200');
  assert.equal(statusText({ ...run, steps: null, status: 'paused' }), 'paused, step 40');
  assert.equal(statusText({ ...run, status: 'failed', reason: 'out of memory' }), 'failed at step 40: out of memory');
  const saved = 'stopped, and saved at step 40';
  assert.equal(statusText({ ...run, status: 'stopped', reason: saved }), saved);
  assert.equal(statusText({ ...run, step: 0, status: 'lost' }), 'lost');
  assert.equal(statusText({ ...run, status: 'finished', verdict: 'kept' }), 'finished, kept');
  assert.equal(
    statusText({ ...run, status: 'stale', reason: 'no heartbeat for 20 s' }),
    'not answering, step 40 of 200: no heartbeat for 20 s',
  );
  assert.equal(verdictWord(null), 'no verdict');
});

test('durations are told in two units', () => {
  assert.deepEqual(
    [0.4, 45, 200, 7500].map(seconds => durationText(seconds)),
    ['0 s', '45 s', '3 min 20 s', '2 h 5 min'],
  );
});

test('the note never claims more than one seed allows', () => {
  assert.match(verdictNote(true, 300), /^One seed: no claim about the method\./);
  assert.match(verdictNote(false, 32), /^During the run: at most 32 items a set/);
});

test('a sparkline runs from lowest to highest block, with a blank for a gap', () => {
  assert.equal(sparkline([0, 1, 2, 3, 4, 5, 6, 7]), '▁▂▃▄▅▆▇█');
  assert.equal(sparkline([0, null, 7]), '▁ █');
  assert.equal(sparkline([5, 5, 5]), '▄▄▄');
  assert.equal(sparkline([]), '');
  assert.equal(sparkline([null, Number.NaN]), '');
});

test('a sparkline never gets wider than asked, at any length', () => {
  for (let length = 1; length < 100; length++) {
    const line = sparkline(
      Array.from({ length }, (_, i) => i),
      12,
    );
    assert.equal([...line].length, Math.min(length, 12));
    if (length > 1) assert.ok(line.startsWith('▁') && line.endsWith('█'));
  }
});
