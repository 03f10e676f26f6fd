/** Which runtime is taken, and what is said. TensorFlow is a stand-in that loads, or does not. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { EngineError } from '../../../src/engine/engineError.ts';
import { openRuntime } from '../../../src/engine/runtime/chooseRuntime.ts';
import { openOnnxRuntime } from '../../../src/engine/runtime/onnxruntime/openOnnxRuntime.ts';
import { isOffered, whyClosed } from '../../../src/runs/providers.ts';

const driver = () => true;
const noDriver = () => false;

beforeEach(() => {
  process.env.HOLDFAST_TENSORFLOW = '/nowhere';
});

function standIn(code: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tensorflow-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const tfjs = join(folder, 'node_modules/@tensorflow/tfjs-node-gpu');
  mkdirSync(tfjs, { recursive: true });
  writeFileSync(join(tfjs, 'package.json'), '{ "main": "index.js" }');
  writeFileSync(join(tfjs, 'index.js'), code);
  process.env.HOLDFAST_TENSORFLOW = folder;
}

const computingOn = (gpu: boolean): void =>
  standIn(
    `module.exports = { ready: async () => {}, backend: () => ({ isUsingGpuDevice: ${gpu}, binding: { TF_Version: '2' } }) };`,
  );

async function chosen(hasDriver: () => boolean): Promise<string> {
  const { name, provider, reason, close } = await openRuntime({ runtime: 'auto' }, 1, hasDriver);
  await close();
  return `${name} on ${provider}: ${reason}`;
}

test('auto takes the CPU where there is no GPU, without loading a TensorFlow that is there', async () => {
  standIn("throw new Error('it was loaded');");
  assert.equal(
    await chosen(noDriver),
    'onnxruntime on cpu: the CPU, since no GPU with a driver for CUDA was found, and webgpu is taken only where the recipe asks for it',
  );
});

test('auto says which command would use the GPU that is there', async () => {
  const found = await chosen(driver);
  assert.equal(
    found,
    'onnxruntime on cpu: the CPU, since the GPU here needs TensorFlow: holdfast doctor --install tensorflow',
  );
});

test('auto takes TensorFlow that computes on a GPU, and never one that computes on the CPU', async () => {
  computingOn(true);
  assert.equal(await chosen(driver), 'tensorflow on cuda: TensorFlow is set up and has found a GPU');
  computingOn(false);
  assert.match(await chosen(driver), /^onnxruntime on cpu: the CPU, since the TensorFlow that is set up finds no GPU/);
});

test('auto goes on without a TensorFlow that does not load, and says why', async () => {
  standIn("throw new Error('libcudart.so.12 is missing');");
  assert.match(await chosen(driver), /^onnxruntime on cpu: .* does not load: libcudart\.so\.12 is missing$/);
});

test('a provider that is asked for is taken, and auto stays on the CPU whatever GPU onnxruntime could open', async () => {
  const runtime = await openRuntime({ runtime: 'auto', provider: 'cpu' }, 1, driver);
  assert.equal(`${runtime.name} on ${runtime.provider}: ${runtime.reason}`, 'onnxruntime on cpu: the recipe says so');
  await runtime.close();
  const found = await openRuntime({ runtime: 'onnxruntime' }, 1, noDriver);
  assert.equal(found.provider, 'cpu');
  await found.close();
});

const here = `${process.platform}-${process.arch}`;
const elsewhere = (['dml', 'cuda'] as const).filter(provider => !isOffered(provider));
for (const provider of elsewhere) {
  test(`${provider} is refused on ${here} with where it is to be had`, async () => {
    await assert.rejects(openRuntime({ runtime: 'auto', provider }, 1), (error: unknown) => {
      assert.ok(error instanceof EngineError && error.code === 'no-runtime');
      assert.match(
        error.message,
        new RegExp(`^The runtime onnxruntime on ${provider} does not open: .* alone; this is ${here}$`),
      );
      assert.match(error.remedy!, /Leave provider out/);
      return true;
    });
  });
}

const isLinux = { skip: here === 'linux-x64' ? false : 'onnxruntime has cuda on Linux alone' };
test('cuda without its libraries is refused with what it needs, and who does without', isLinux, async () => {
  await assert.rejects(openRuntime({ runtime: 'onnxruntime', provider: 'cuda' }, 1), (error: unknown) => {
    assert.ok(error instanceof EngineError && error.code === 'no-runtime');
    assert.match(error.message, /onnxruntime on cuda does not open: .*shared library/);
    assert.match(error.remedy!, /libonnxruntime_providers_cuda\.so beside .*runtime: tensorflow and engine: torch/);
    return true;
  });
});

test('webgpu without a driver is refused with what to install', isLinux, async () => {
  const said =
    'webgpu_context.cc:136 adapter_result.status == x was false. Failed to get a WebGPU adapter: No supported adapters';
  const { reason, remedy } = whyClosed('webgpu', said);
  const known = 'Failed to get a WebGPU adapter: No supported adapters';
  assert.equal(reason, known);
  assert.match(remedy, /Vulkan driver of the GPU.*libvulkan1/);
  // With a driver, the tests of webgpu run instead.
  const opened = await openOnnxRuntime({ threads: 1, provider: 'webgpu' });
  if (opened.available) await opened.runtime.close();
  else assert.deepEqual(opened, { available: false, reason, remedy });
});

const refusals: [string, () => void, RegExp, RegExp][] = [
  ['is not there', () => {}, /tensorflow does not open: TensorFlow is not in \/nowhere/, /--install tensorflow/],
  [
    'does not load',
    () => standIn("throw new Error('no libtensorflow');"),
    /does not load: no libtensorflow/,
    /--remove/,
  ],
];
for (const [title, prepare, message, remedy] of refusals) {
  test(`a TensorFlow that the recipe asks for and that ${title} is refused with what to do`, async () => {
    prepare();
    await assert.rejects(
      openRuntime({ runtime: 'tensorflow' }, 1),
      (error: unknown) =>
        error instanceof EngineError &&
        error.code === 'no-runtime' &&
        message.test(error.message) &&
        remedy.test(error.remedy ?? ''),
    );
  });
}
