/**
 * The part of @tensorflow/tfjs-node-gpu that is used here, and how it is loaded from its own folder. It is no part of
 * the bundle: whoever wants it has it installed.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import { tensorflowPackage } from '../../../runs/tensorflow/tensorflowFolder.ts';

export interface TfTensor {
  readonly shape: readonly number[];
  readonly dtype: TfType;
  dispose(): void;
  dataSync(): Float32Array | Int32Array | Uint8Array;
}
export type TfType = 'float32' | 'int32' | 'bool';

export interface TfAttribute {
  name: string;
  type: number;
  value: number | boolean;
}

/** Runs single operations of TensorFlow. */
export interface TfBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: Readonly<Record<'TF_ATTR_BOOL' | 'TF_ATTR_INT' | 'TF_ATTR_TYPE', number>> &
    Readonly<Record<'TF_BOOL' | 'TF_FLOAT' | 'TF_INT32', number>> & { readonly TF_Version: string };
  executeMultipleOutputs(name: string, attributes: TfAttribute[], inputs: TfTensor[], count: number): TfTensor[];
}

export interface Tfjs {
  readonly version: Readonly<Record<string, string>>;
  backend(): TfBackend;
  ready(): Promise<void>;
  tensor(values: Float32Array | Int32Array, shape: readonly number[], dtype: TfType): TfTensor;
  /** Frees every tensor made within but those returned. */
  tidy<T extends TfTensor | TfTensor[]>(work: () => T): T;
  /** Keeps a tensor that was made within `tidy`. */
  keep(tensor: TfTensor): TfTensor;
  memory(): { numTensors: number };
}

/** Read by the library when it is loaded; what the user has set stays. */
function environment(threads: number): Record<string, string> {
  return {
    TF_NUM_INTRAOP_THREADS: String(threads),
    TF_CPP_MIN_LOG_LEVEL: '1',
    // Only what is needed of a GPU's memory, sums in a fixed order, and f32 that is not rounded to TF32.
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    TF_DETERMINISTIC_OPS: '1',
    NVIDIA_TF32_OVERRIDE: '0',
  };
}

/** Throws what the loader throws. A second call gives the first one's library, with its number of threads. */
export async function loadTfjs(folder: string, threads: number): Promise<Tfjs> {
  for (const [name, value] of Object.entries(environment(threads))) process.env[name] ??= value;
  // tfjs-node 4.22 calls it; Node 23 took it away.
  const removed = util as { isNullOrUndefined?: (value: unknown) => boolean };
  removed.isNullOrUndefined ??= value => value === null || value === undefined;
  const tfjs = createRequire(join(folder, 'package.json'))(tensorflowPackage) as Tfjs;
  await tfjs.ready();
  return tfjs;
}
