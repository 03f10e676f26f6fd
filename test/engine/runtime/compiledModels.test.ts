/** Programs that an earlier start compiled: the same bits, and no file is trusted that is not what was written. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  copyFile,
  lstat,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type * as Ort from 'onnxruntime-node';
import { plannedModel } from '../../../src/engine/estimate/runSize.ts';
import { readModelConfig } from '../../../src/engine/model/modelConfig.ts';
import { openRuntime } from '../../../src/engine/runtime/chooseRuntime.ts';
import { CompiledModels } from '../../../src/engine/runtime/onnxruntime/compiledModels.ts';
import { splitLargeUpdates } from '../../../src/engine/runtime/onnxruntime/largeUpdates.ts';
import { lowerGraph } from '../../../src/engine/runtime/onnxruntime/lowerGraph.ts';
import { fixtureFolder, type RecipeParts, recipe, someBatch, withModel } from '../model/tinyLlama.ts';

const ort = createRequire(import.meta.url)('onnxruntime-node') as typeof Ort;
const made: string[] = [];
after(() => Promise.all(made.map(folder => rm(folder, { recursive: true }))));

async function newFolder(): Promise<string> {
  made.push(await mkdtemp(join(tmpdir(), 'holdfast-compiled-')));
  return made.at(-1)!;
}

const longAgo = new Date('2000-01-01');

async function makeOld(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await utimes(join(folder, name), longAgo, longAgo);
}

/** How many files `use` loads: they are marked as used, and not written anew. */
async function loadedBy(folder: string, use: () => Promise<unknown>): Promise<number> {
  await makeOld(folder);
  const statsOf = async () =>
    Promise.all((await readdir(folder)).map(async name => ({ name, ...(await lstat(join(folder, name))) })));
  const before = new Map((await statsOf()).map(({ name, ino }) => [name, ino]));
  await use();
  const loaded = (await statsOf()).filter(({ name, ino, mtimeMs }) => {
    return before.get(name) === ino && mtimeMs !== longAgo.getTime();
  });
  return loaded.length;
}

const methods: Record<string, RecipeParts> = {
  full: {},
  adapter: { adapter: { type: 'lora', r: 4 } },
  regularized: { method: { regularize: { weight: 1 } } },
  recomputing: { train: { gradient_checkpointing: true } },
};
for (const [name, parts] of Object.entries(methods)) {
  test(`${name}: a second start takes the programs of the first and ends in the same bits`, async () => {
    const folder = await newFolder();
    const plain = await hashAfterTraining(parts);
    assert.equal(await hashAfterTraining(parts, folder), plain);
    const files = await readdir(folder);
    assert.ok(files.length > 0 && files.every(file => /^[0-9a-f]{64}\.ort$/.test(file)), files.join());
    const loaded = await loadedBy(folder, async () => {
      assert.equal(await hashAfterTraining(parts, folder), plain);
    });
    assert.equal(loaded, files.length);
    assert.deepEqual(await readdir(folder), files);
  });
}

async function hashAfterTraining(parts: RecipeParts, folder?: string): Promise<string> {
  const opened = await openRuntime({ runtime: 'onnxruntime' }, 2);
  if (folder) opened.keepCompiled?.(folder);
  return withModel({ ...parts, name: 'qwen3', opened }, async model => {
    const hash = createHash('sha256');
    for (const seed of [1, 2]) {
      await model.step([someBatch(seed, 8, 32), someBatch(seed + 50, 8, 32)], { learningRate: 1e-2 });
      await model.step([someBatch(seed, 8, 32)], { learningRate: 1e-2 });
      hash.update(await model.score(someBatch(seed + 7, 4, 32), 'tuned'));
    }
    for (const { name } of model.state.entries()) hash.update(name).update(await model.state.read(name));
    return hash.digest('hex');
  });
}

const { config } = await readModelConfig(fixtureFolder('tied'));
const modelFor = (length: number): Uint8Array =>
  lowerGraph(splitLargeUpdates(plannedModel(config, recipe()).programs.step({ rows: 2, length })).session).model;
const options = { logSeverityLevel: 3 } as const;

/** One program in a folder of its own, and its only file. */
async function keptProgram(): Promise<{ folder: string; file: string; compiled: CompiledModels }> {
  const folder = await newFolder();
  const compiled = new CompiledModels(folder, ort);
  await (await compiled.open(modelFor(8), options)).release();
  const [name] = await readdir(folder);
  return { folder, file: join(folder, name!), compiled };
}

const faults: Record<string, (file: string) => Promise<void>> = {
  'a flipped bit': async file => {
    const bytes = await readFile(file);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(file, bytes);
  },
  'half of it': async file => truncate(file, (await stat(file)).size >> 1),
  'nothing in it': file => truncate(file, 0),
  "another program's file": async file => {
    const folder = await newFolder();
    await (await new CompiledModels(folder, ort).open(modelFor(12), options)).release();
    await copyFile(join(folder, (await readdir(folder))[0]!), file);
  },
  'a link to itself as it was': async file => {
    const copy = join(await newFolder(), 'copy');
    await copyFile(file, copy);
    await rm(file);
    await symlink(copy, file);
  },
};
for (const [fault, damage] of Object.entries(faults)) {
  test(`${fault}: it is not loaded, and the program is compiled and kept anew`, async () => {
    const { folder, file, compiled } = await keptProgram();
    const open = async (): Promise<void> => (await compiled.open(modelFor(8), options)).release();
    await damage(file);
    assert.equal(await loadedBy(folder, open), 0);
    assert.deepEqual(await readdir(folder), [file.slice(folder.length + 1)]);
    assert.equal(await loadedBy(folder, open), 1);
  });
}

test('other options are another program', async () => {
  const { folder, compiled } = await keptProgram();
  await (await compiled.open(modelFor(8), { ...options, graphOptimizationLevel: 'basic' })).release();
  assert.equal((await readdir(folder)).length, 2);
});

test('beyond the limit, what was unused for longest goes', async () => {
  const { folder, file } = await keptProgram();
  const { size } = await stat(file);
  const compiled = new CompiledModels(folder, ort, 2.5 * size);
  const keep = async (length: number) => (await compiled.open(modelFor(length), options)).release();
  await keep(12);
  await makeOld(folder);
  await keep(8);
  await keep(16);
  const left = await readdir(folder);
  assert.equal(left.length, 2);
  assert.ok(left.includes(file.slice(folder.length + 1)), 'what was just used has stayed');
});

test('where nothing can be kept, the program is compiled all the same', async () => {
  const file = join(await newFolder(), 'a-file');
  await writeFile(file, '');
  const session = await new CompiledModels(file, ort).open(modelFor(8), options);
  assert.ok(session.inputNames.includes('ids'));
  await session.release();
});
