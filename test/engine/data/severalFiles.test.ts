import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { examplesIn } from '../../../src/engine/data/examples.ts';
import { hashData, hashFile } from '../../../src/engine/evaluate/fingerprints.ts';
import { prepareRun } from '../../../src/engine/prepare.ts';
import { dataFiles } from '../../../src/runs/dataFiles.ts';
import { makeTinyFiles } from '../support/tinyRun.ts';

const files = await makeTinyFiles();
const shards = join(files.folder, 'shards');
await mkdir(join(shards, 'deeper'), { recursive: true });
const lines = (await readFile(join(files.folder, 'train.jsonl'), 'utf8')).trimEnd().split('\n');
for (const [name, from, to] of [
  ['b.jsonl', 15, 40],
  ['a.jsonl', 0, 15],
] as const) {
  await writeFile(join(shards, name), `${lines.slice(from, to).join('\n')}\n`);
}
await writeFile(join(shards, 'readme.md'), 'nothing to learn');
await writeFile(join(shards, 'extra.txt'), 'A text of another kind.');

test('a folder stands for the data files in it, a pattern for those that it fits, in an order of their names', () => {
  assert.deepEqual(
    dataFiles(shards),
    ['a.jsonl', 'b.jsonl', 'extra.txt'].map(name => join(shards, name)),
  );
  assert.deepEqual(
    dataFiles(join(shards, '*.jsonl')),
    ['a.jsonl', 'b.jsonl'].map(name => join(shards, name)),
  );
  assert.deepEqual(
    dataFiles(join(shards, '?.jsonl')),
    ['a.jsonl', 'b.jsonl'].map(name => join(shards, name)),
  );
  assert.deepEqual(dataFiles(join(shards, 'a.jsonl')), [join(shards, 'a.jsonl')]);
  assert.throws(() => dataFiles(join(shards, '*.csv')), /stands for no file/);
});

test('a link among several files is refused, also where it leads to a file beside it', async () => {
  const folder = join(files.folder, 'links');
  await mkdir(folder);
  await copyFile(join(shards, 'a.jsonl'), join(folder, 'a.jsonl'));
  await symlink(join(folder, 'a.jsonl'), join(folder, 'b.jsonl'));
  for (const path of [folder, join(folder, '*')]) {
    assert.throws(() => dataFiles(path), /b\.jsonl is a link/);
    await assert.rejects(examplesIn(path).next(), /b\.jsonl is a link/);
  }
});

test('rows of several files are trained on like the same rows of one, in the same order', async () => {
  const ofFiles = async (path: string) => {
    const start = files.start({});
    const { plan } = await prepareRun({ ...start, paths: { ...start.paths, 'train.jsonl': path } });
    return [...plan.rows.task].map(row => row.map(({ ids }) => [...ids]));
  };
  const whole = await ofFiles(join(files.folder, 'train.jsonl'));
  assert.deepEqual(await ofFiles(join(shards, '*.jsonl')), whole);
});

test('what is wrong with a row, and a probe that is trained on, are told with the file that it stands in', async () => {
  const folder = join(files.folder, 'bad');
  await mkdir(folder);
  const start = files.start({});
  const prepare = () => prepareRun({ ...start, paths: { ...start.paths, 'train.jsonl': folder } });
  await copyFile(join(shards, 'a.jsonl'), join(folder, 'a.jsonl'));
  await writeFile(join(folder, 'b.jsonl'), `${JSON.stringify({ prompt: 'x', completion: ' long'.repeat(99) })}\n`);
  await assert.rejects(prepare(), /b\.jsonl, line 1: the row has \d+ tokens/);
  const probe = (await readFile(join(files.folder, 'general.txt'), 'utf8')).split('\n\n')[3]!;
  await writeFile(join(folder, 'b.jsonl'), `${JSON.stringify({ text: probe })}\n`);
  await assert.rejects(prepare(), /also trained on; the first is general\.txt, line \d+ = b\.jsonl, line 1/);
});

test('a folder that holds a probe file cannot be replayed', async () => {
  const start = files.start({ method: { replay: { data: 'replay.txt', share: 0.5 } } });
  const paths = { ...start.paths, 'replay.txt': join(files.folder, '*.txt') };
  await assert.rejects(prepareRun({ ...start, paths }), /replay\.data is the probe file of general/);
});

test('the fingerprint of several files changes with a byte, a name and a file more; that of one is its hash', async () => {
  const folder = join(files.folder, 'printed');
  await mkdir(folder);
  for (const name of ['a.jsonl', 'b.jsonl']) await copyFile(join(shards, name), join(folder, name));
  const seen = new Set([await hashData(folder)]);
  await writeFile(join(folder, 'b.jsonl'), await readFile(join(shards, 'b.jsonl')));
  assert.ok(seen.has(await hashData(folder)));
  await writeFile(join(folder, 'b.jsonl'), 'x');
  seen.add(await hashData(folder));
  await rename(join(folder, 'b.jsonl'), join(folder, 'c.jsonl'));
  seen.add(await hashData(folder));
  await writeFile(join(folder, 'd.jsonl'), '');
  seen.add(await hashData(folder));
  assert.equal(seen.size, 4);
  assert.equal(await hashData(join(shards, 'a.jsonl')), await hashFile(join(shards, 'a.jsonl')));
});
