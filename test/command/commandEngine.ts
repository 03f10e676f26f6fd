/** An engine folder that starts programs of the user's own and has the embedded engine, which prepares their data. */
import { cp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { temporaryFolder, testEngine } from '../runs/testStore.ts';

export async function commandEngine(): Promise<string> {
  const folder = temporaryFolder('engine');
  await cp(testEngine(), folder, { recursive: true });
  await cp(bundle(resolve('src/engine/main.ts'), 'trainer'), join(folder, 'trainer.cjs'));
  await cp(bundle(resolve('src/command/main.ts'), 'command'), join(folder, 'command.cjs'));
  await cp('node_modules/onnxruntime-node', join(folder, 'node_modules/onnxruntime-node'), { recursive: true });
  return folder;
}
