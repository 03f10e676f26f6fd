import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '../../src/engine/engineError.ts';
import { refuseOther, runIdentity } from '../../src/engine/runIdentity.ts';
import { makeTinyFiles } from './support/tinyRun.ts';

test('a run that goes on with another provider is another run', async () => {
  const start = (await makeTinyFiles()).start({});
  const of = (provider: string) =>
    runIdentity(start, { data: {}, model: 'm', tokenizer: 't' }, { name: 'onnxruntime', provider });
  refuseOther(start, of('webgpu'), { identity: of('webgpu') });
  assert.throws(
    () => refuseOther(start, of('cpu'), { identity: of('webgpu') }),
    (error: unknown) =>
      error instanceof EngineError &&
      error.code === 'checkpoint-mismatch' &&
      /runtime was onnxruntime on webgpu, is onnxruntime on cpu$/.test(error.message) &&
      /--fork/.test(error.remedy!),
  );
});
