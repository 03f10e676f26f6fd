import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  changeQueue,
  holdQueue,
  moveRuns,
  placedBefore,
  readQueue,
  releaseQueue,
  runNext,
  setOnError,
  takePlace,
  waitingRuns,
} from '../../src/runs/queue.ts';
import { ownHome, queueRun, type TestProject, testProject } from './testStore.ts';

ownHome();

async function queueOf(count: number): Promise<{ project: TestProject; ids: string[] }> {
  const project = testProject();
  const ids: string[] = [];
  for (let number = 0; number < count; number++) ids.push((await queueRun(project)).id);
  return { project, ids };
}

async function order({ store }: TestProject): Promise<string[]> {
  return (await waitingRuns(store, await readQueue(store))).map(({ run }) => run.id);
}

test('without a queue.json runs wait oldest first, and reading writes nothing', async () => {
  const { project, ids } = await queueOf(3);
  assert.deepEqual(await order(project), ids);
  assert.throws(() => readFileSync(project.store.queueFile), /ENOENT/);
});

test('runs are moved before others, behind all and to the head; runs that come later wait behind', async () => {
  const { project, ids } = await queueOf(4);
  const [a, b, c, d] = ids as [string, string, string, string];
  await moveRuns(project.store, [d], b);
  assert.deepEqual(await order(project), [a, d, b, c]);
  await moveRuns(project.store, [a], null);
  assert.deepEqual(await order(project), [d, b, c, a]);
  await runNext(project.store, [c]);
  assert.deepEqual(await order(project), [c, d, b, a]);
  const { id } = await queueRun(project);
  assert.deepEqual(await order(project), [c, d, b, a, id]);
});

test('several runs are moved together in the order given, also onto one of themselves', () => {
  const waiting = ['a', 'b', 'c', 'd'];
  assert.deepEqual(placedBefore(waiting, ['d', 'a'], 'c'), ['b', 'd', 'a', 'c']);
  assert.deepEqual(placedBefore(waiting, ['b', 'c'], 'b'), ['a', 'b', 'c', 'd']);
  assert.deepEqual(placedBefore(waiting, ['c', 'd'], 'd'), ['a', 'b', 'c', 'd']);
  assert.deepEqual(placedBefore(waiting, ['a'], null), ['b', 'c', 'd', 'a']);
});

test('a run dropped on another takes its place, from above and from below', async () => {
  const { project, ids } = await queueOf(4);
  const [a, b, c, d] = ids as [string, string, string, string];
  await takePlace(project.store, [a], c);
  assert.deepEqual(await order(project), [b, c, a, d]);
  await takePlace(project.store, [a], b);
  assert.deepEqual(await order(project), [a, b, c, d]);
  await takePlace(project.store, [a, b], d);
  assert.deepEqual(await order(project), [c, d, a, b]);
  await takePlace(project.store, [d], d);
  assert.deepEqual(await order(project), [c, d, a, b]);
});

test('a run that does not wait has no place: the move is refused and changes nothing', async () => {
  const { project, ids } = await queueOf(2);
  await runNext(project.store, [ids[1]!]);
  const before = readFileSync(project.store.queueFile, 'utf8');
  const refused = { code: 'not-queued', remedy: /holdfast queue/ };
  await assert.rejects(moveRuns(project.store, ['261121-000000-other-aaaa'], null), refused);
  await assert.rejects(moveRuns(project.store, [ids[0]!], '261121-000000-other-aaaa'), refused);
  assert.equal(readFileSync(project.store.queueFile, 'utf8'), before);
});

test('hold, release and on-error keep the order, and a hold keeps its first reason', async () => {
  const { project, ids } = await queueOf(2);
  const { store } = project;
  await runNext(store, [ids[1]!]);
  await changeQueue(store, queue => ({ ...queue, held: { run: ids[0]!, reason: 'it failed' } }));
  await holdQueue(store, 'held by the user');
  await setOnError(store, 'hold');
  const { held, onError, order } = await readQueue(store);
  assert.deepEqual([held?.reason, onError, order], ['it failed', 'hold', [ids[1], ids[0]]]);
  assert.equal((await releaseQueue(store)).held, null);
});

for (const [what, text] of [
  ['empty', ''],
  ['cut short', '{"v": 1, "order": ["a'],
  ['full of NULs', '\0'.repeat(200)],
  ['a list', '[]'],
  ['of paths instead of ids', '{"v":1,"order":["../../etc"],"onError":"hold","held":null}'],
] as const) {
  test(`a queue.json that is ${what} holds the queue by name, and a release writes a good one`, async () => {
    const { project, ids } = await queueOf(2);
    writeFileSync(project.store.queueFile, text);
    const { held } = await readQueue(project.store);
    assert.match(held?.reason ?? '', /queue\.json is (not JSON|damaged)/);
    await releaseQueue(project.store);
    assert.equal((await readQueue(project.store)).held, null);
    assert.deepEqual(await order(project), ids);
  });
}

test('a queue.json of a newer version is read and never written', async () => {
  const { project, ids } = await queueOf(2);
  const newer = JSON.stringify({ v: 2, order: [ids[1]], onError: 'continue', held: null, more: true });
  writeFileSync(project.store.queueFile, newer);
  assert.deepEqual(await order(project), [ids[1], ids[0]]);
  await assert.rejects(runNext(project.store, [ids[0]!]), { code: 'newer-format' });
  assert.equal(readFileSync(project.store.queueFile, 'utf8'), newer);
});
