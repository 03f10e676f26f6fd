/** Which runtime is taken, and what is said. TensorFlow is a stand-in that loads, or does not. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { EngineError } from '../../../src/engine/engineError.ts';
import { openRuntime } from '../../../src/engine/runtime/chooseRuntime.ts';

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
  const { name, provider, reason, close } = await openRuntime('auto', 1, hasDriver);
  await close();
  return `${name} on ${provider}: ${reason}`;
}

test('auto takes the CPU where there is no GPU, without loading a TensorFlow that is there', async () => {
  standIn("throw new Error('it was loaded');");
  assert.equal(await chosen(noDriver), 'onnxruntime on cpu: the CPU, since no GPU with a driver for CUDA was found');
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
      openRuntime('tensorflow', 1),
      (error: unknown) =>
        error instanceof EngineError &&
        error.code === 'no-runtime' &&
        message.test(error.message) &&
        remedy.test(error.remedy ?? ''),
    );
  });
}
