import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { EngineError } from '../../../src/engine/engineError.ts';
import type { FloatDtype } from '../../../src/engine/weights/float.ts';
import { ModelWeights } from '../../../src/engine/weights/modelFolder.ts';
import { writeSafetensors } from '../../../src/engine/weights/safetensors.ts';

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-folder-'));
});
after(() => rm(root, { recursive: true, force: true }));

async function folderWith(name: string, files: Record<string, string>): Promise<string> {
  const folder = join(root, name);
  await mkdir(folder);
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  return folder;
}

const shard = (folder: string, file: string, tensor: string, dtype: FloatDtype, value: number) =>
  writeSafetensors(join(folder, file), [{ name: tensor, shape: [2], dtype }], () => new Float32Array([value, value]));

const refusal = (code: string, pattern: RegExp) => (error: unknown) =>
  error instanceof EngineError && error.code === code && pattern.test(error.message);

test('a sharded folder reads as one, and its dtype is the one that holds most numbers', async () => {
  const map = { weight_map: { a: 'one.safetensors', b: 'two.safetensors', c: 'three.safetensors' } };
  const folder = await folderWith('sharded', { 'model.safetensors.index.json': JSON.stringify(map) });
  await shard(folder, 'one.safetensors', 'a', 'bf16', 1);
  await shard(folder, 'two.safetensors', 'b', 'bf16', 2);
  await shard(folder, 'three.safetensors', 'c', 'f16', 3);
  const weights = await ModelWeights.open(folder);
  assert.deepEqual([...(await weights.read('b'))], [2, 2]);
  assert.equal(weights.dtype, 'bf16');
  assert.throws(() => weights.read('d'), refusal('weights-broken', /no tensor d/));
  await weights.close();
});

test('a shard that is missing or lies outside the folder is named', async () => {
  const gone = { weight_map: { a: 'gone.safetensors' } };
  const missing = await folderWith('missing', { 'model.safetensors.index.json': JSON.stringify(gone) });
  await assert.rejects(ModelWeights.open(missing), refusal('weights-broken', /gone\.safetensors, which is not there/));
  const out = { weight_map: { a: '../one.safetensors' } };
  const outside = await folderWith('outside', { 'model.safetensors.index.json': JSON.stringify(out) });
  await assert.rejects(ModelWeights.open(outside), refusal('weights-broken', /not a file beside it/));
});

test('two shards with the same tensor are refused', async () => {
  const map = { weight_map: { a: 'one.safetensors', b: 'two.safetensors' } };
  const folder = await folderWith('twice', { 'model.safetensors.index.json': JSON.stringify(map) });
  await shard(folder, 'one.safetensors', 'a', 'f32', 1);
  await shard(folder, 'two.safetensors', 'a', 'f32', 2);
  await assert.rejects(ModelWeights.open(folder), refusal('weights-broken', /same tensor/));
});

test('pickle weights are refused unread, with the way to convert them', async () => {
  const folder = await folderWith('pickle', { 'pytorch_model.bin': 'not opened' });
  await assert.rejects(ModelWeights.open(folder), (error: EngineError) => {
    assert.equal(error.code, 'weights-pickle');
    return /save_pretrained/.test(error.remedy ?? '');
  });
});

test('a folder without weights says what it should hold', async () => {
  await assert.rejects(ModelWeights.open(await folderWith('empty', {})), refusal('weights-missing', /neither/));
});
