/** B4: the list of runs is a cache. Whatever becomes of its file, all runs are listed, and ten thousand soon. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RunIndex } from '../../src/runs/runIndex.ts';
import type { RunSummary } from '../../src/runs/runSummary.ts';
import type { Store } from '../../src/runs/store.ts';
import { ownHome, testProject } from '../runs/testStore.ts';
import { cpuMs, isWithinFilingCpu } from '../slowness.ts';
import { manyRuns } from './manyRuns.ts';

ownHome();

const firstRows = 200;
const firstRowsMs = 300;

type Breaking = (file: string, good: Buffer) => void;

const write =
  (text: string | Buffer): Breaking =>
  file =>
    writeFileSync(file, text);
const edit =
  (
    change: (index: {
      v: unknown;
      runs: Record<string, { changed: unknown; summary: Record<string, unknown> }>;
    }) => unknown,
  ): Breaking =>
  (file, good) => {
    const index = JSON.parse(good.toString());
    writeFileSync(file, JSON.stringify(change(index) ?? index));
  };
const firstRun = (index: { runs: Record<string, unknown> }) => Object.keys(index.runs)[0]!;

const breakings: Record<string, Breaking> = {
  deleted: file => rmSync(file),
  empty: write(''),
  'cut in half': (file, good) => truncateSync(file, good.length >> 1),
  'cut by one byte': (file, good) => truncateSync(file, good.length - 1),
  'only its first byte': file => truncateSync(file, 1),
  'all NUL': (_, good) => write(Buffer.alloc(good.length))(_, good),
  'NUL in its second half': (file, good) =>
    writeFileSync(file, Buffer.concat([good.subarray(0, good.length >> 1), Buffer.alloc(good.length >> 1)])),
  'NUL behind its end': (file, good) => writeFileSync(file, Buffer.concat([good, Buffer.alloc(4096)])),
  'random bytes': (file, good) => writeFileSync(file, Buffer.from(good.map((byte, at) => (byte * 31 + at * 17) & 255))),
  'one flipped bit in a brace': (file, good) =>
    writeFileSync(file, Buffer.from(good.map((byte, at) => (at === 0 ? byte ^ 4 : byte)))),
  'written twice': (file, good) => writeFileSync(file, Buffer.concat([good, good])),
  'another version': edit(index => ({ ...index, v: 99 })),
  'no runs in it': edit(index => ({ v: index.v, runs: {} })),
  'runs as a list': edit(index => ({ v: index.v, runs: [] })),
  'an array': write('[]'),
  'a number': write('7'),
  'a run of another shape': edit(index => {
    index.runs[firstRun(index)] = { changed: 1, summary: {} };
  }),
  'a run that is not there': edit(index => {
    index.runs['999999-999999-ghost-aaaa'] = index.runs[firstRun(index)]!;
  }),
  'an older state of each run': edit(index => {
    for (const entry of Object.values(index.runs))
      Object.assign(entry, { changed: 1, summary: { ...entry.summary, status: 'running' } });
  }),
  'a folder': file => {
    rmSync(file);
    mkdirSync(file);
  },
  'a link to another file': file => {
    rmSync(file);
    symlinkSync('/etc/hostname', file);
  },
};

test('an index that is broken in any way is made anew with all runs, and nothing else is believed', async t => {
  const { store } = testProject();
  manyRuns(store, 25);
  const file = join(store.folder, 'index.json');
  const expected = await listed(store);
  assert.equal(expected.length, 25);
  const good = readFileSync(file);
  const kinds = Object.keys(breakings);
  for (const kind of kinds) {
    rmSync(file, { recursive: true, force: true });
    writeFileSync(file, good);
    breakings[kind]!(file, good);
    assert.deepEqual(await listed(store), expected, `index: ${kind}`);
  }
  t.diagnostic(
    `B4 broken index: ${kinds.length} kinds, each rebuilt with ${expected.length} of ${expected.length} runs`,
  );
});

test('ten thousand runs are listed anew within eight seconds, and again at once', async t => {
  const many = 10_000;
  const { store } = testProject();
  const bytes = manyRuns(store, many);
  const rebuilt = await timed(() => listed(store));
  assert.equal(rebuilt.value.length, many);
  const again = await timed(() => listed(store));
  assert.deepEqual(again.value, rebuilt.value);
  const first = await timed(async () => (await RunIndex.open(store, { mayWrite: true })).newest(firstRows));
  assert.deepEqual(first.value.map(lineOf), rebuilt.value.slice(0, firstRows));
  rmSync(join(store.folder, 'index.json'));
  const unindexed = await timed(async () => (await RunIndex.open(store, { mayWrite: true })).newest(firstRows));
  assert.deepEqual(unindexed.value.map(lineOf), rebuilt.value.slice(0, firstRows));
  t.diagnostic(
    `B4 ${many} runs (${(bytes / 1e6).toFixed(0)} MB): rebuilt in ${seconds(rebuilt.ms)} (${seconds(rebuilt.cpuMs)} of a core), opened from the index in ${seconds(again.ms)} (${seconds(again.cpuMs)} of a core); the first ${firstRows} rows after ${seconds(first.ms)} (${seconds(first.cpuMs)} of a core), without an index ${seconds(unindexed.ms)} (${seconds(unindexed.cpuMs)})`,
  );
  // Its own time: other tests may run beside it.
  assert.ok(await isWithinFilingCpu(rebuilt.cpuMs, 8000), `it took ${seconds(rebuilt.cpuMs)} of a core`);
  for (const { cpuMs } of [first, unindexed]) {
    assert.ok(await isWithinFilingCpu(cpuMs, firstRowsMs), `the first rows took ${seconds(cpuMs)} of a core`);
  }
});

/** As a window that has just been opened lists them. */
async function listed(store: Store): Promise<string[]> {
  const runs = await (await RunIndex.open(store, { mayWrite: true })).refresh();
  return runs.map(lineOf);
}

const lineOf = ({ id, name, status, step, verdict, bytes }: RunSummary): string =>
  [id, name, status, step, verdict, bytes].join(' ');

async function timed<T>(task: () => Promise<T>): Promise<{ value: T; ms: number; cpuMs: number }> {
  const [started, before] = [performance.now(), cpuMs()];
  const value = await task();
  return { value, ms: performance.now() - started, cpuMs: cpuMs() - before };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
