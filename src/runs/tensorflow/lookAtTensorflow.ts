/** Whether a folder's TensorFlow computes, and on what: asked in a process of its own, since a library may crash. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as z from 'zod';
import { childEnvironment } from '../childEnvironment.ts';
import { RunsError } from '../runsError.ts';
import { tensorflowPackage } from './tensorflowFolder.ts';

const lookSchema = z.object({ version: z.string(), gpu: z.boolean(), product: z.string() });

const program = `const util = require('node:util');
util.isNullOrUndefined ??= value => value === null || value === undefined;
const tf = require(process.cwd() + '/node_modules/${tensorflowPackage}');
const product = tf.matMul(tf.tensor2d([[1, 2], [3, 4]]), tf.tensor2d([[5], [6]])).dataSync().join();
const { binding, isUsingGpuDevice: gpu } = tf.backend();
console.log(JSON.stringify({ version: binding.TF_Version, gpu, product }));`;

const loadMs = 180_000;

export async function lookAtTensorflow(folder: string): Promise<{ version: string; gpu: boolean }> {
  const env = { ...childEnvironment(), ELECTRON_RUN_AS_NODE: '1', TF_CPP_MIN_LOG_LEVEL: '2' };
  try {
    const options = { cwd: folder, env, timeout: loadMs, windowsHide: true };
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], options);
    const { version, gpu, product } = lookSchema.parse(JSON.parse(stdout.trim().split('\n').at(-1)!));
    if (product !== '17,39') throw new Error(`it computes ${product} instead of 17,39`);
    return { version, gpu };
  } catch (error) {
    const said = /^\w*Error: (.+)$/m.exec((error as { stderr?: string }).stderr ?? '')?.[1];
    throw new RunsError('install-failed', `TensorFlow does not work: ${said ?? (error as Error).message}`, {
      file: folder,
      remedy: 'Take it away and set it up again: holdfast doctor --remove tensorflow',
      cause: error,
    });
  }
}
