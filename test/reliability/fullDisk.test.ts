/** B3: a disk that fills up pauses the run, says why, and costs it nothing. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { noSmallDisk, onSmallDisk } from '../runs/smallDisk.ts';
import { testSeed } from './seed.ts';

const disks = count(5, 100);
const fillings = 3;
const limitMs = 2000;
const story = new URL('./fullDiskStory.ts', import.meta.url);
const seed = testSeed();

test(`on ${disks} disks of random size, each filled ${fillings} times, runs pause with the reason, lose nothing and go on`, {
  skip: noSmallDisk,
}, async t => {
  let [records, longestMs] = [0, 0];
  for (let disk = 0; disk < disks; disk++) {
    const kilobytes = 600 + Math.floor(4000 * uniform(seed, disk));
    const told = [String(seed + disk), String(fillings)];
    const printed = await onSmallDisk(story, kilobytes, told, 120_000).catch(error => {
      throw new Error(`seed ${seed}, disk ${disk} of ${kilobytes} kB: ${error.message}`);
    });
    const found = JSON.parse(printed) as { longestMs: number; records: number };
    records += found.records;
    longestMs = Math.max(longestMs, found.longestMs);
  }
  assert.ok(longestMs <= limitMs, `the longest way to a pause took ${Math.round(longestMs)} ms`);
  t.diagnostic(
    `B3 disk full: ${disks} disks, ${disks * fillings} of ${disks * fillings} runs went on, ${records.toLocaleString('en')} records, 0 lost, paused with the reason within ${Math.round(longestMs)} ms (seed ${seed})`,
  );
});
