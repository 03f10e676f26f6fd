import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EngineError } from '../../../src/engine/engineError.ts';
import { openOnnxRuntime } from '../../../src/engine/runtime/onnxruntime/openOnnxRuntime.ts';
import { verifyCheckpoint } from '../../../src/engine/state/checkpoint.ts';
import { StateStore } from '../../../src/engine/state/stateStore.ts';

const opened = await openOnnxRuntime({ threads: 1 });
assert.ok(opened.available);
const { runtime } = opened;
const folder = await mkdtemp(join(tmpdir(), 'holdfast-state-'));
after(() => rm(folder, { recursive: true }));

function store(values: number[] = [1, 2, 3, 4]): StateStore {
  const state = new StateStore(runtime);
  state.add('w', 'weight', [2, 2], Float32Array.from(values));
  state.add('adam.first/w', 'slot', [2, 2], new Float32Array(4));
  state.add('base/w', 'base', [2, 2], Float32Array.from(values));
  state.add('gradient/w', 'accumulator', [2, 2], new Float32Array(4));
  return state;
}

test('what is dumped comes back bit for bit, with its counters; base and accumulators stay out', async () => {
  const path = join(folder, 'one');
  const written = store([Math.PI, -0, 1e-40, 3e38]);
  written.counters = { step: 7, name: 'x', done: false, best: null };
  written.optimizerStep = 7;
  const { bytes } = await written.dump(path);
  assert.ok(bytes > 32);
  const read = store();
  await read.load(path);
  assert.deepEqual(await read.read('w'), await written.read('w'));
  assert.deepEqual(await read.read('base/w'), Float32Array.of(1, 2, 3, 4));
  assert.deepEqual(read.counters, written.counters);
  assert.equal(read.optimizerStep, 7);
  assert.deepEqual((await readdir(path)).sort(), ['counters.json', 'manifest.json', 'state.safetensors']);
});

const damages: [string, (path: string) => Promise<void>, RegExp][] = [
  ['a truncated file', path => truncate(join(path, 'state.safetensors'), 100), /has 100 of \d+ bytes/],
  ['a missing file', path => rm(join(path, 'counters.json')), /counters.json is missing/],
  ['a missing manifest', path => rm(join(path, 'manifest.json')), /manifest.json is missing/],
  [
    'a flipped byte',
    async path => {
      const file = join(path, 'state.safetensors');
      const bytes = await readFile(file);
      bytes[bytes.length - 1]! ^= 1;
      await writeFile(file, bytes);
    },
    /has changed since it was written/,
  ],
];
for (const [title, damage, message] of damages) {
  test(`a checkpoint with ${title} is refused`, async () => {
    const path = join(folder, title.replaceAll(' ', '-'));
    await store().dump(path);
    await verifyCheckpoint(path);
    await damage(path);
    await assert.rejects(
      store().load(path),
      (error: unknown) =>
        error instanceof EngineError && error.code === 'checkpoint-damaged' && message.test(error.message),
    );
  });
}

test('a checkpoint of another recipe is refused by the tensor that differs', async () => {
  const path = join(folder, 'other');
  await store().dump(path);
  const more = store();
  more.add('adam.second/w', 'slot', [2, 2], new Float32Array(4));
  await assert.rejects(more.load(path), /adam.second\/w is missing/);
  const less = new StateStore(runtime);
  less.add('w', 'weight', [2, 2], new Float32Array(4));
  await assert.rejects(less.load(path), /holds adam.first\/w, which this run does not have/);
  const shaped = new StateStore(runtime);
  shaped.add('w', 'weight', [4], new Float32Array(4));
  await assert.rejects(shaped.load(path), /has shape \[2,2\] instead of \[4\]/);
});

test('a dump that cannot be written leaves nothing behind and says why', async () => {
  const file = join(folder, 'a-file');
  await writeFile(file, '');
  await assert.rejects(store().dump(join(file, 'checkpoint')), (error: unknown) => error instanceof EngineError);
  assert.ok((await readdir(folder)).every(name => !name.endsWith('.tmp')));
});

test('names are given once, and unknown ones are named', () => {
  const state = store();
  assert.throws(() => state.add('w', 'weight', [1], new Float32Array(1)), /exists already/);
  assert.throws(() => state.get('x'), /no state tensor x/);
  assert.equal(state.bytes, 4 * 16);
});
