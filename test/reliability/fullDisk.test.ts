/** B3: a disk that fills up pauses the run, says why, and costs it nothing. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { noSmallDisk, onSmallDisk } from '../runs/smallDisk.ts';
import { isWithin } from '../slowness.ts';
import { testSeed } from './seed.ts';

const disks = count(5, 100);
const fillings = 3;
const atOnce = 5;
const limitMs = 2000;
const story = new URL('./fullDiskStory.ts', import.meta.url);
const seed = testSeed();

interface Story {
  longestMs: number;
  records: number;
}

test(`on ${disks} disks of random size, each filled ${fillings} times, runs pause with the reason, lose nothing and go on`, {
  skip: noSmallDisk,
}, async t => {
  const stories: Story[] = [];
  for (let first = 0; first < disks; first += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, disks - first) }, (_, index) => first + index);
    stories.push(...(await Promise.all(some.map(onDisk))));
  }
  const records = stories.reduce((sum, story) => sum + story.records, 0);
  const longestMs = Math.max(...stories.map(story => story.longestMs));
  assert.ok(isWithin(longestMs, limitMs), `the longest way to a pause took ${Math.round(longestMs)} ms`);
  t.diagnostic(
    `B3 disk full: ${disks} disks, ${disks * fillings} of ${disks * fillings} runs went on, ${records.toLocaleString('en')} records, 0 lost, paused with the reason within ${Math.round(longestMs)} ms (seed ${seed})`,
  );
});

async function onDisk(disk: number): Promise<Story> {
  const kilobytes = 1000 + Math.floor(4000 * uniform(seed, disk));
  const told = [String(seed + disk), String(fillings)];
  const printed = await onSmallDisk(story, kilobytes, told, 120_000).catch(error => {
    throw new Error(`seed ${seed}, disk ${disk} of ${kilobytes} kB: ${error.message}`);
  });
  return JSON.parse(printed) as Story;
}
