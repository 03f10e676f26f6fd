/** What `holdfast doctor` tells of a software GPU. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAtProviders } from '../../src/runs/lookAtProviders.ts';

const skip = process.env.VK_ICD_FILENAMES ? false : 'the suite gives it a software GPU';
test('a GPU that is a program on the CPU is found, and called so', { skip }, async () => {
  const [webgpu] = await lookAtProviders(process.cwd());
  const adapter = 'the driver libvk_swiftshader.so: SwiftShader, a program on the CPU';
  assert.deepEqual(webgpu, { provider: 'webgpu', isOpen: true, adapter });
});
