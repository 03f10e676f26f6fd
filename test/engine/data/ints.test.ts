/** Lists as long as the data: few bytes a number, and those that are set aside take no memory. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { GrowingInts, makeInts, Starts, setAside } from '../../../src/engine/data/ints.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const folder = mkdtempSync(join(tmpdir(), 'holdfast-ints-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a number takes as few bytes as the largest needs, and none is ever cut', () => {
  assert.deepEqual(
    [255, 256, 65_535, 65_536].map(most => makeInts(1, most).BYTES_PER_ELEMENT),
    [1, 2, 2, 4],
  );
  const ints = new GrowingInts(255);
  assert.throws(() => ints.push(256), RangeError);
  assert.throws(() => ints.push(-1), RangeError);
});

test('what grows over many parts comes out as it went in', () => {
  const ints = new GrowingInts(1000);
  for (let i = 0; i < 600_000; i++) ints.push((i * 7) % 1000);
  const whole = ints.whole();
  assert.equal(whole.length, 600_000);
  assert.ok(whole.every((value, i) => value === (i * 7) % 1000));
});

test('each part starts where those before it end', () => {
  const lengths = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) % 97);
  const starts = new Starts(lengths);
  let expected = 0;
  for (const [part, length] of lengths.entries()) {
    assert.equal(starts.of(part), expected);
    expected += length;
  }
});

test('numbers that are set aside are read as they were, give their memory back without the collector and leave no file', async () => {
  const megabytes = () => process.memoryUsage().arrayBuffers / 2 ** 20;
  collect();
  collect();
  const before = megabytes();
  const aside = async () => {
    const ints = Int32Array.from({ length: 2 ** 23 }, (_, i) => i * 3);
    assert.ok(megabytes() - before > 30);
    return setAside(ints, folder, write => write());
  };
  const read = await aside();
  // What is let go is gone a moment later.
  for (let tries = 0; tries < 50 && megabytes() - before > 4; tries++) await new Promise(setImmediate);
  assert.ok(megabytes() - before < 4, `${(megabytes() - before).toFixed(1)} MB`);
  assert.deepEqual([...read(5_000_000, 3)], [15_000_000, 15_000_003, 15_000_006]);
  if (process.platform !== 'win32') assert.deepEqual(readdirSync(folder), []);
});
