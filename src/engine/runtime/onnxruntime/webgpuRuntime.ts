/**
 * onnxruntime on a GPU, through WebGPU: state lies on the device from its first use on, and what a program gives for it
 * stays there. Old and new state exist side by side while a program runs, since this provider writes into no buffer it
 * is given.
 */
import type * as Ort from 'onnxruntime-node';
import { EngineError } from '../../engineError.ts';
import { estimateCost } from '../../graph/cost.ts';
import type { Graph, Input, Shape } from '../../graph/graph.ts';
import type { BatchValues, DeviceTensor, Program, Runtime, ScalarValues } from '../runtime.ts';
import type { DeviceCopies } from './deviceCopies.ts';
import { type DeviceBuffer, DeviceSession } from './deviceSession.ts';
import { checkFills, hostValue } from './hostValues.ts';
import { outputName, updateName, wholeGraph } from './largeUpdates.ts';
import { lowerGraph } from './lowerGraph.ts';
import { baseOptions } from './sessionOptions.ts';
import { webgpuRules } from './webgpuRules.ts';

/** On the host until a program wants it. */
class WebgpuTensor implements DeviceTensor {
  readonly shape: Shape;
  #values: Float32Array | DeviceBuffer | undefined;

  constructor(values: Float32Array, shape: Shape) {
    this.#values = values;
    this.shape = shape;
  }

  get values(): Float32Array | DeviceBuffer {
    if (!this.#values) throw new EngineError('runtime', 'A freed tensor was used');
    return this.#values;
  }

  /** Frees what was there before. */
  replace(values: Float32Array | DeviceBuffer | undefined): void {
    if (this.#values && !isOnHost(this.#values)) this.#values.free();
    this.#values = values;
  }
}

const isOnHost = (values: Float32Array | DeviceBuffer): values is Float32Array => values instanceof Float32Array;

export interface WebgpuOptions {
  threads: number;
  reason: string;
  version: string;
}

export class WebgpuRuntime implements Runtime {
  readonly name = 'onnxruntime';
  readonly provider = 'webgpu';
  readonly reason: string;
  readonly version: string;
  readonly #ort: typeof Ort;
  readonly #options: Ort.InferenceSession.SessionOptions;
  readonly #copies: DeviceCopies;

  constructor(ort: typeof Ort, copies: DeviceCopies, { threads, reason, version }: WebgpuOptions) {
    this.#ort = ort;
    this.#copies = copies;
    this.#options = baseOptions(this.provider, threads);
    this.reason = reason;
    this.version = version;
  }

  async compile(graph: Graph): Promise<Program> {
    const { model, usedInputs } = lowerGraph(wholeGraph(graph), webgpuRules);
    const updates = [...graph.updates.keys()].map(updateName);
    const session = await DeviceSession.open(this.#ort, model, this.#options, updates);
    return new WebgpuProgram(this.#ort, graph, session, usedInputs, this.#copies);
  }

  upload(values: Float32Array, shape: Shape): DeviceTensor {
    checkFills(values, shape);
    return new WebgpuTensor(values, shape);
  }

  async read(tensor: DeviceTensor): Promise<Float32Array> {
    const { values } = tensor as WebgpuTensor;
    return isOnHost(values) ? values.slice() : this.#copies.toHost(values);
  }

  async write(tensor: DeviceTensor, values: Float32Array): Promise<void> {
    checkFills(values, tensor.shape);
    (tensor as WebgpuTensor).replace(values.slice());
  }

  free(tensor: DeviceTensor): void {
    (tensor as WebgpuTensor).replace(undefined);
  }

  async close(): Promise<void> {
    this.#copies.close();
  }
}

class WebgpuProgram implements Program {
  readonly cost;
  readonly #ort: typeof Ort;
  readonly #session: DeviceSession;
  readonly #copies: DeviceCopies;
  readonly #inputs: readonly Input[];
  readonly #outputs: readonly string[];
  readonly #updates: readonly string[];

  constructor(
    ort: typeof Ort,
    graph: Graph,
    session: DeviceSession,
    usedInputs: ReadonlySet<string>,
    copies: DeviceCopies,
  ) {
    this.#ort = ort;
    this.#session = session;
    this.#copies = copies;
    this.cost = estimateCost(graph);
    this.#inputs = graph.inputs.filter(({ name }) => usedInputs.has(name));
    this.#outputs = [...graph.outputs.keys()];
    this.#updates = [...graph.updates.keys()];
  }

  async run(state: (name: string) => DeviceTensor, batch: BatchValues, scalars: ScalarValues) {
    const stateOf = (name: string) => state(name) as WebgpuTensor;
    const feeds: Record<string, Ort.Tensor> = {};
    for (const input of this.#inputs) {
      if (input.kind !== 'state') feeds[input.name] = hostValue(this.#ort, input, batch, scalars);
    }
    const states = this.#inputs.filter(({ kind }) => kind === 'state').map(({ name }) => name);
    await this.#moveToDevice(states.map(stateOf));
    for (const name of states) feeds[name] = (stateOf(name).values as DeviceBuffer).tensor;

    const results = await this.#session.run(feeds);
    for (const name of this.#updates) {
      const tensor = stateOf(name);
      tensor.replace(this.#session.hold(results[updateName(name)]!, tensor.shape));
    }
    return Object.fromEntries(this.#outputs.map(name => [name, results[outputName(name)]!.data as Float32Array]));
  }

  async #moveToDevice(tensors: readonly WebgpuTensor[]): Promise<void> {
    let isMoved = false;
    for (const tensor of tensors) {
      const { values, shape } = tensor;
      if (!isOnHost(values)) continue;
      tensor.replace(await this.#copies.toDevice(values, shape));
      isMoved = true;
    }
    if (isMoved) await this.#copies.letGo();
  }

  async close(): Promise<void> {
    this.#session.close();
  }
}
