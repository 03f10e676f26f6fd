/** What `holdfast doctor` tells of onnxruntime's providers, where no GPU is. With a software GPU: test/webgpu. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyingModel } from '../../src/engine/runtime/onnxruntime/deviceCopies.ts';
import { lookAtProviders, smallestModel } from '../../src/runs/lookAtProviders.ts';

test('the model that providers are tried with is the one the engine writes', () => {
  assert.equal(Buffer.from(copyingModel()).toString('base64'), smallestModel);
});

const skip = process.platform === 'linux' && process.arch === 'x64' ? false : 'for Linux x64';
test('each provider that does not open says why, and what to do where something can be done', { skip }, async () => {
  const looks = await lookAtProviders(process.cwd());
  assert.deepEqual(
    looks.map(({ provider }) => provider),
    ['webgpu', 'dml', 'cuda'],
  );
  const [webgpu, dml, cuda] = looks;
  if (!webgpu!.isOpen) {
    assert.match(webgpu!.reason, /^Failed to get a WebGPU adapter/);
    assert.match(webgpu!.remedy!, /Vulkan driver/);
  }
  assert.deepEqual(dml, {
    provider: 'dml',
    isOpen: false,
    reason: 'onnxruntime has dml on Windows alone; this is linux-x64',
  });
  assert.ok(!cuda!.isOpen && /shared library/.test(cuda!.reason) && /CUDA 12, cuDNN 9/.test(cuda!.remedy!));
});
