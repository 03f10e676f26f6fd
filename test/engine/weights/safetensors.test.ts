import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { EngineError } from '../../../src/engine/engineError.ts';
import { type FloatDtype, narrow, roundTo, widen } from '../../../src/engine/weights/float.ts';
import { SafetensorsFile, writeSafetensors } from '../../../src/engine/weights/safetensors.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-safetensors-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const values = new Float32Array([0, -0, 1, -1.5, 0.1, 65504, 1e-7, Math.PI]);

async function write(name: string, dtype: FloatDtype): Promise<string> {
  const file = join(folder, name);
  await writeSafetensors(
    file,
    [
      { name: 'a', shape: [2, 4], dtype },
      { name: 'b', shape: [3], dtype },
    ],
    tensor => (tensor === 'a' ? values : new Float32Array([7, 8, 9])),
    { note: 'x' },
  );
  return file;
}

const refusal = (code: string, pattern: RegExp) => (error: unknown) =>
  error instanceof EngineError && error.code === code && pattern.test(error.message);

for (const dtype of ['f32', 'f16', 'bf16'] as const) {
  test(`what is written as ${dtype} reads back as its rounded values`, async () => {
    const file = await SafetensorsFile.open(await write(`${dtype}.safetensors`, dtype));
    assert.deepEqual(await file.read('a'), roundTo(values, dtype));
    assert.deepEqual([...(await file.read('b'))], [7, 8, 9]);
    assert.equal(file.metadata.note, 'x');
    assert.deepEqual(file.tensors.get('a')?.shape, [2, 4]);
    await file.close();
  });
}

test('every f16 bit pattern survives widening and narrowing', () => {
  const all = Uint16Array.from({ length: 0x10000 }, (_, i) => i).filter(h => (h & 0x7c00) !== 0x7c00 || !(h & 0x3ff));
  const back = new Uint16Array(narrow(widen(new Uint8Array(all.buffer), 'f16'), 'f16').slice().buffer);
  assert.deepEqual(back, all);
});

test('halves round to nearest, ties to even', () => {
  const near = new Float32Array([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65520, 2 ** -25, 3 * 2 ** -25, 1e9]);
  assert.deepEqual([...roundTo(near, 'f16')], [1, 1 + 2 ** -9, Infinity, 0, 2 ** -23, Infinity]);
  assert.deepEqual([...roundTo(new Float32Array([1 + 2 ** -8, 1 + 3 * 2 ** -8]), 'bf16')], [1, 1 + 2 ** -6]);
  assert.ok(Number.isNaN(roundTo(new Float32Array([Number.NaN]), 'bf16')[0]));
});

test('a truncated file is refused with both sizes', async () => {
  const whole = await readFile(await write('whole.safetensors', 'f32'));
  const cut = join(folder, 'cut.safetensors');
  await writeFile(cut, whole.subarray(0, whole.length - 5));
  await assert.rejects(SafetensorsFile.open(cut), refusal('weights-broken', /truncated/));
});

test('overlapping tensors, lying shapes, foreign dtypes and endless headers are refused by name', async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ a: entry([2], [0, 8]), b: entry([2], [4, 12]) }, /overlap before tensor b/],
    [{ a: entry([3], [0, 8]) }, /needs 12/],
    [{ a: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, /a as I64/],
    [{ a: entry([-1], [0, -4]) }, /without a shape/],
  ];
  for (const [header, pattern] of cases) {
    const file = join(folder, 'lie.safetensors');
    await writeFile(file, withHeader(JSON.stringify(header), 12));
    await assert.rejects(SafetensorsFile.open(file), refusal('weights-broken', pattern));
  }
  const endless = Buffer.alloc(16);
  endless.writeBigUInt64LE(2n ** 60n);
  await writeFile(join(folder, 'endless.safetensors'), endless);
  await assert.rejects(
    SafetensorsFile.open(join(folder, 'endless.safetensors')),
    refusal('weights-broken', /promises/),
  );
});

test('NaN in a tensor is refused with its name and place', async () => {
  const file = join(folder, 'nan.safetensors');
  await writeSafetensors(file, [{ name: 'w', shape: [3], dtype: 'f32' }], () => new Float32Array([1, Number.NaN, 2]));
  const opened = await SafetensorsFile.open(file);
  await assert.rejects(opened.read('w'), refusal('weights-not-finite', /w holds NaN at element 1/));
  await opened.close();
});

test('a write that fails leaves the old file and no temporary one', async () => {
  const file = await write('kept.safetensors', 'f32');
  const before = await readFile(file);
  await assert.rejects(
    writeSafetensors(file, [{ name: 'a', shape: [1], dtype: 'f32' }], () => Promise.reject(new Error('no more'))),
    /no more/,
  );
  assert.deepEqual(await readFile(file), before);
  assert.deepEqual(
    (await readdir(folder)).filter(name => name.endsWith('.tmp')),
    [],
  );
});

const entry = (shape: number[], offsets: number[]) => ({ dtype: 'F32', shape, data_offsets: offsets });

function withHeader(json: string, dataBytes: number): Buffer {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));
  return Buffer.concat([prefix, Buffer.from(json), Buffer.alloc(dataBytes)]);
}
