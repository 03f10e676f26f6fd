/**
 * The TensorFlow runtime: graphs run operation by operation on TensorFlow's device, a GPU with CUDA where it has one.
 * State stays there between steps; what a step makes is freed as soon as nobody reads it any more.
 */
import { hasTensorflow, tensorflowCommand, tensorflowFolder } from '../../../runs/tensorflow/tensorflowFolder.ts';
import { EngineError } from '../../engineError.ts';
import type { Graph, Shape } from '../../graph/graph.ts';
import { size } from '../../graph/graph.ts';
import type { DeviceTensor, OpenedRuntime, Program, Runtime } from '../runtime.ts';
import { StateTensor } from './stateTensor.ts';
import { TensorflowProgram } from './tensorflowProgram.ts';
import { loadTfjs, type Tfjs } from './tfjs.ts';

export interface TensorflowOptions {
  threads: number;
  /** Why it was chosen. */
  reason?: string;
  folder?: string;
}

/** Not being installed, or not loading, is an outcome. */
export async function openTensorflow({ threads, reason, folder }: TensorflowOptions): Promise<OpenedRuntime> {
  const from = folder ?? tensorflowFolder();
  if (!hasTensorflow(from)) {
    return { available: false, reason: `TensorFlow is not in ${from}`, remedy: `Run: ${tensorflowCommand}` };
  }
  try {
    return { available: true, runtime: new TensorflowRuntime(await loadTfjs(from, threads), reason) };
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return {
      available: false,
      reason: `TensorFlow in ${from} does not load: ${why}`,
      remedy: `Make it anew: holdfast doctor --remove tensorflow, then ${tensorflowCommand}`,
    };
  }
}

class TensorflowRuntime implements Runtime {
  readonly name = 'tensorflow';
  readonly provider: string;
  readonly reason: string;
  readonly version: string;
  readonly #tfjs: Tfjs;

  constructor(tfjs: Tfjs, reason = 'the recipe says so') {
    this.#tfjs = tfjs;
    this.provider = tfjs.backend().isUsingGpuDevice ? 'cuda' : 'cpu';
    this.reason = reason;
    this.version = tfjs.backend().binding.TF_Version;
  }

  async compile(graph: Graph): Promise<Program> {
    return new TensorflowProgram(this.#tfjs, graph);
  }

  upload(values: Float32Array, shape: Shape): DeviceTensor {
    if (values.length !== size(shape)) {
      throw new EngineError('runtime', `${values.length} values do not fill [${shape}]`);
    }
    return new StateTensor(this.#tfjs.tensor(values, shape, 'float32'));
  }

  async read(tensor: DeviceTensor): Promise<Float32Array> {
    return ((tensor as StateTensor).value.dataSync() as Float32Array).slice();
  }

  async write(tensor: DeviceTensor, values: Float32Array): Promise<void> {
    if (values.length !== size(tensor.shape)) {
      throw new EngineError('runtime', `${values.length} values do not fill [${tensor.shape}]`);
    }
    (tensor as StateTensor).replace(this.#tfjs.tensor(values.slice(), tensor.shape, 'float32'));
  }

  free(tensor: DeviceTensor): void {
    (tensor as StateTensor).free();
  }

  async close(): Promise<void> {}
}
