/** The onnxruntime runtime on the CPU: sessions over our graphs, state in buffers that are updated in place. */
import type * as Ort from 'onnxruntime-node';
import { EngineError } from '../../engineError.ts';
import { estimateCost } from '../../graph/cost.ts';
import { type Graph, type Input, type Shape, size } from '../../graph/graph.ts';
import { donatedState } from '../donation.ts';
import type { BatchValues, DeviceTensor, OpenedRuntime, Program, Runtime, ScalarValues } from '../runtime.ts';
import { type LoweredGraph, lowerGraph, outputName, updateName } from './lowerGraph.ts';

export interface OnnxRuntimeOptions {
  /** Threads within an operator. Default: as many as onnxruntime finds cores. */
  threads?: number;
}

/** Loads the native library; where there is none for this platform, says so instead of failing. */
export async function openOnnxRuntime(options: OnnxRuntimeOptions = {}): Promise<OpenedRuntime> {
  try {
    const module = (await import('onnxruntime-node')) as typeof Ort & { default?: typeof Ort };
    return { available: true, runtime: new OnnxRuntime(module.default ?? module, options) };
  } catch (error) {
    const platform = `${process.platform}-${process.arch}`;
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { available: false, reason: `onnxruntime has no library that loads on ${platform}: ${why}` };
  }
}

class CpuTensor implements DeviceTensor {
  readonly shape: Shape;
  /** Taken away when the tensor is freed. */
  value: Ort.Tensor | undefined;

  constructor(value: Ort.Tensor) {
    this.shape = value.dims;
    this.value = value;
  }

  /** Takes over the elements of `value`, which may come in another shape. */
  replace(ort: typeof Ort, value: Ort.Tensor): void {
    this.value = new ort.Tensor('float32', value.data as Float32Array, this.shape);
  }
}

class OnnxRuntime implements Runtime {
  readonly name = 'onnxruntime';
  readonly provider = 'cpu';
  readonly reason: string;
  readonly version: string;
  readonly #ort: typeof Ort;
  readonly #threads: number;

  constructor(ort: typeof Ort, { threads = 0 }: OnnxRuntimeOptions) {
    this.#ort = ort;
    this.#threads = threads;
    this.version = ort.env.versions.node ?? ort.env.versions.common;
    this.reason = 'the CPU runs everywhere; no GPU provider is in use yet';
  }

  async compile(graph: Graph): Promise<Program> {
    const lowered = lowerGraph(graph);
    const session = await this.#ort.InferenceSession.create(lowered.model, {
      executionProviders: [this.provider],
      intraOpNumThreads: this.#threads,
      logSeverityLevel: 3,
      // Waiting threads sleep: beside an editor and a browser, spinning ones take the cores from those who work.
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
    return new OnnxProgram(this.#ort, session, graph, lowered);
  }

  upload(values: Float32Array, shape: Shape): DeviceTensor {
    if (values.length !== size(shape))
      throw new EngineError('runtime', `${values.length} values do not fill [${shape}]`);
    return new CpuTensor(new this.#ort.Tensor('float32', values, shape));
  }

  async read(tensor: DeviceTensor): Promise<Float32Array> {
    return valuesOf(tensor).slice();
  }

  async write(tensor: DeviceTensor, values: Float32Array): Promise<void> {
    valuesOf(tensor).set(values);
  }

  free(tensor: DeviceTensor): void {
    (tensor as CpuTensor).value = undefined;
  }

  async close(): Promise<void> {}
}

const onnxValue = (tensor: DeviceTensor): Ort.Tensor => {
  const { value } = tensor as CpuTensor;
  if (!value) throw new EngineError('runtime', 'A freed tensor was used');
  return value;
};
const valuesOf = (tensor: DeviceTensor): Float32Array => onnxValue(tensor).data as Float32Array;

class OnnxProgram implements Program {
  readonly cost;
  readonly #ort: typeof Ort;
  readonly #session: Ort.InferenceSession;
  readonly #inputs: readonly Input[];
  readonly #outputs: readonly string[];
  readonly #updates: readonly string[];
  readonly #donated: ReadonlySet<string>;
  readonly #resultShapes: ReadonlyMap<string, Shape>;

  constructor(ort: typeof Ort, session: Ort.InferenceSession, graph: Graph, lowered: LoweredGraph) {
    this.#ort = ort;
    this.#session = session;
    this.cost = estimateCost(graph);
    this.#inputs = graph.inputs.filter(input => lowered.usedInputs.has(input.name));
    this.#outputs = [...graph.outputs.keys()];
    this.#updates = [...graph.updates.keys()];
    this.#donated = donatedState(graph);
    this.#resultShapes = lowered.resultShapes;
  }

  async run(state: (name: string) => DeviceTensor, batch: BatchValues, scalars: ScalarValues) {
    const feeds: Record<string, Ort.Tensor> = {};
    for (const input of this.#inputs) {
      feeds[input.name] =
        input.kind === 'state' ? onnxValue(state(input.name)) : this.#hostValue(input, batch, scalars);
    }
    const fetches: Record<string, Ort.Tensor | null> = {};
    for (const name of this.#outputs) fetches[outputName(name)] = null;
    for (const name of this.#updates) fetches[updateName(name)] = this.#target(name, state);
    const results = await this.#session.run(feeds, fetches);
    for (const name of this.#updates) {
      if (!this.#donated.has(name)) (state(name) as CpuTensor).replace(this.#ort, results[updateName(name)]!);
    }
    return Object.fromEntries(this.#outputs.map(name => [name, results[outputName(name)]!.data as Float32Array]));
  }

  /** Where the new value is written: over the old one, or into memory that onnxruntime takes. */
  #target(name: string, state: (name: string) => DeviceTensor): Ort.Tensor | null {
    if (!this.#donated.has(name)) return null;
    const value = onnxValue(state(name));
    const shape = this.#resultShapes.get(updateName(name));
    return shape ? new this.#ort.Tensor('float32', value.data as Float32Array, shape) : value;
  }

  #hostValue({ name, kind, tensor }: Input, batch: BatchValues, scalars: ScalarValues): Ort.Tensor {
    const values = kind === 'scalar' ? scalarValue(scalars[name]) : batch[name];
    if (!values) throw new EngineError('runtime', `The program misses its ${kind} input ${name}`);
    if (values.length !== size(tensor.shape)) {
      throw new EngineError('runtime', `${name} has ${values.length} values instead of [${tensor.shape}]`);
    }
    return values instanceof Int32Array
      ? new this.#ort.Tensor('int32', values, tensor.shape)
      : new this.#ort.Tensor('float32', values, tensor.shape);
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}

const scalarValue = (value: number | undefined) => (value === undefined ? undefined : Float32Array.of(value));
