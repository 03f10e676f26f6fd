import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sequence } from '../../webview/shared/sequence.ts';

test('nothing is taken before the first state', () => {
  const sequence = new Sequence();
  assert.equal(sequence.take({ type: 'points', seq: 1 }), 'stale');
  assert.equal(sequence.take({ type: 'state', seq: 2 }), 'take');
  assert.equal(sequence.take({ type: 'points', seq: 3 }), 'take');
  assert.equal(sequence.last, 3);
});

test('what was taken before is stale', () => {
  const sequence = new Sequence();
  sequence.take({ type: 'state', seq: 5 });
  assert.equal(sequence.take({ type: 'run', seq: 5 }), 'stale');
  assert.equal(sequence.take({ type: 'run', seq: 4 }), 'stale');
});

test('after a gap everything waits for a new state', () => {
  const sequence = new Sequence();
  sequence.take({ type: 'state', seq: 1 });
  assert.equal(sequence.take({ type: 'points', seq: 3 }), 'gap');
  assert.equal(sequence.take({ type: 'points', seq: 4 }), 'stale');
  assert.equal(sequence.take({ type: 'state', seq: 5 }), 'take');
  assert.equal(sequence.take({ type: 'points', seq: 6 }), 'take');
});
