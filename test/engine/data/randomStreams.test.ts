import assert from 'node:assert/strict';
import { test } from 'node:test';
import { philox, RandomStream } from '../../../src/engine/data/randomStreams.ts';

test('Philox4x32-10 gives the published numbers of its authors', () => {
  assert.deepEqual(philox([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  const ones = 0xffffffff;
  assert.deepEqual(philox([ones, ones, ones, ones], [ones, ones]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  assert.deepEqual(
    philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  );
});

test('a permutation holds every place once, is equal for equal seeds and differs by seed, stream and lane', () => {
  const order = new RandomStream(1, 'order').permutation(100);
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 100 }, (_, i) => i),
  );
  assert.deepEqual(order, new RandomStream(1, 'order').permutation(100));
  assert.notDeepEqual(order, new RandomStream(2, 'order').permutation(100));
  assert.notDeepEqual(order, new RandomStream(1, 'replay').permutation(100));
  assert.notDeepEqual(order, new RandomStream(1, 'order').permutation(100, 1));
});

test('the beginning of a permutation is that of the whole one, also of one that is shorter', () => {
  const stream = new RandomStream(5, 'draw');
  for (const size of [0, 1, 2, 31, 32, 33, 1000, 5000]) {
    for (const lane of [0, 1]) {
      const whole = [...stream.permutation(size, lane)];
      assert.deepEqual(stream.beginningOfPermutation(32, size, lane), whole.slice(0, 32), `${size}, lane ${lane}`);
    }
  }
});

test('normal numbers have mean 0 and variance 1', () => {
  const stream = new RandomStream(3, 'adapter');
  const numbers = Array.from({ length: 20_000 }, (_, i) => stream.normal(i));
  const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  const variance = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length;
  assert.ok(Math.abs(mean) < 0.03, `mean ${mean}`);
  assert.ok(Math.abs(variance - 1) < 0.04, `variance ${variance}`);
});

test('uniform numbers fill [0, 1) evenly', () => {
  const stream = new RandomStream(4, 'dropout');
  const bins = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) bins[Math.floor(stream.uniform(i, 7) * 10)]! += 1;
  for (const bin of bins) assert.ok(Math.abs(bin - 1000) < 150, `bins ${bins}`);
});
