/**
 * The onnxruntime runtime: sessions over our graphs. Here, state lies in the host's memory and is updated in place,
 * whichever provider computes; WebgpuRuntime keeps it on the GPU.
 */
import type * as Ort from 'onnxruntime-node';
import { type GpuProvider, type Provider, softwareGpu, whyClosed } from '../../../runs/providers.ts';
import { EngineError } from '../../engineError.ts';
import { estimateCost } from '../../graph/cost.ts';
import type { Graph, Input, Shape } from '../../graph/graph.ts';
import { donatedState } from '../donation.ts';
import type { BatchValues, DeviceTensor, OpenedRuntime, Program, Runtime, ScalarValues } from '../runtime.ts';
import { AdamwBlock } from './adamwKernel.ts';
import { CompiledModels } from './compiledModels.ts';
import { copyingModel, DeviceCopies } from './deviceCopies.ts';
import { checkFills, hostValue, missing } from './hostValues.ts';
import { type LargeUpdate, type Operand, outputName, splitLargeUpdates, updateName } from './largeUpdates.ts';
import { lowerGraph } from './lowerGraph.ts';
import { baseOptions } from './sessionOptions.ts';
import { WebgpuRuntime } from './webgpuRuntime.ts';

export interface OnnxRuntimeOptions {
  /** Threads within an operator. Default: as many as onnxruntime finds cores. */
  threads?: number;
  /** Why it was chosen. */
  reason?: string;
  /** What computes; default: the CPU. */
  provider?: Provider;
}

/** Loads the native library; where there is none for this platform, or its provider does not open, says so. */
export async function openOnnxRuntime(options: OnnxRuntimeOptions = {}): Promise<OpenedRuntime> {
  const { threads = 0, reason = 'the CPU runs everywhere', provider = 'cpu' } = options;
  let ort: typeof Ort;
  try {
    const module = (await import('onnxruntime-node')) as typeof Ort & { default?: typeof Ort };
    ort = module.default ?? module;
  } catch (error) {
    return {
      available: false,
      reason: `onnxruntime has no library that loads on ${process.platform}-${process.arch}: ${messageOf(error).split('\n')[0]}`,
      remedy: 'It runs on Linux (glibc), macOS on Apple silicon and Windows. Install Holdfast again there.',
    };
  }
  const version = ort.env.versions.node ?? ort.env.versions.common;
  if (provider === 'cpu')
    return { available: true, runtime: new HostRuntime(ort, { provider, threads, reason, version }) };
  try {
    return { available: true, runtime: await openGpu(ort, { provider, threads, reason, version }) };
  } catch (error) {
    return { available: false, ...whyClosed(provider, messageOf(error)) };
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function openGpu(ort: typeof Ort, options: RuntimeOptions & { provider: GpuProvider }): Promise<Runtime> {
  const { provider, threads, reason } = options;
  if (provider !== 'webgpu') {
    const trial = await ort.InferenceSession.create(copyingModel(), baseOptions(provider, threads));
    await trial.release();
    return new HostRuntime(ort, options);
  }
  const copies = await DeviceCopies.open(ort, baseOptions(provider, threads));
  const software = softwareGpu();
  const warning = software ? `; its GPU is ${software}, a program on the CPU` : '';
  return new WebgpuRuntime(ort, copies, { ...options, reason: `${reason}${warning}` });
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

interface RuntimeOptions {
  provider: Provider;
  threads: number;
  reason: string;
  version: string;
}

class HostRuntime implements Runtime {
  readonly name = 'onnxruntime';
  readonly provider: Provider;
  readonly reason: string;
  readonly version: string;
  readonly #ort: typeof Ort;
  readonly #threads: number;
  /** By the weight that is in it. */
  readonly #blocks: Blocks = new WeakMap();
  #compiled: CompiledModels | undefined;

  constructor(ort: typeof Ort, { provider, threads, reason, version }: RuntimeOptions) {
    this.#ort = ort;
    this.#threads = threads;
    this.provider = provider;
    this.version = version;
    this.reason = reason;
  }

  /** For a GPU it is compiled for that very device. */
  keepCompiled(folder: string): void {
    if (this.provider === 'cpu') this.#compiled = new CompiledModels(folder, this.#ort);
  }

  async compile(graph: Graph): Promise<Program> {
    const { session: part, updates } = splitLargeUpdates(graph);
    const { model, usedInputs } = lowerGraph(part);
    const options: Ort.InferenceSession.SessionOptions = {
      ...baseOptions(this.provider, this.#threads),
      // A pool of its own, which is never given back, is worth it where the same graph runs again and again.
      enableCpuMemArena: graph.updates.size > 0,
    };
    const session = await (this.#compiled?.open(model, options) ?? this.#ort.InferenceSession.create(model, options));
    const results = part.results.map(({ name }) => name);
    return new OnnxProgram(this.#ort, graph, { session, usedInputs, results }, updates, this.#blocks);
  }

  upload(values: Float32Array, shape: Shape): DeviceTensor {
    checkFills(values, shape);
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

/** Weight and moments of a large tensor in one memory, with room for its gradient. */
interface TensorBlock {
  block: AdamwBlock;
  tensors: readonly [weight: CpuTensor, first: CpuTensor, second: CpuTensor];
}
type Blocks = WeakMap<CpuTensor, TensorBlock>;

interface Session {
  session: Ort.InferenceSession;
  usedInputs: ReadonlySet<string>;
  results: readonly string[];
}

type States = (name: string) => DeviceTensor;
type Values = Record<string, Ort.Tensor>;

class OnnxProgram implements Program {
  readonly cost;
  readonly #ort: typeof Ort;
  readonly #session: Session;
  readonly #largeUpdates: readonly LargeUpdate[];
  readonly #blocks: Blocks;
  readonly #inputs: readonly Input[];
  readonly #outputs: readonly string[];
  /** State that the session gives new values of. */
  readonly #updates: readonly string[];
  readonly #donated: ReadonlySet<string>;

  constructor(ort: typeof Ort, graph: Graph, session: Session, largeUpdates: LargeUpdate[], blocks: Blocks) {
    this.#ort = ort;
    this.#session = session;
    this.#largeUpdates = largeUpdates;
    this.#blocks = blocks;
    this.cost = estimateCost(graph);
    this.#inputs = graph.inputs.filter(input => session.usedInputs.has(input.name));
    this.#outputs = [...graph.outputs.keys()];
    this.#updates = [...graph.updates.keys()].filter(name => session.results.includes(updateName(name)));
    this.#donated = donatedState(graph);
  }

  async run(state: States, batch: BatchValues, scalars: ScalarValues) {
    const blocks = this.#largeUpdates.map(update => this.#blockOf(update, state));
    const feeds: Values = {};
    for (const input of this.#inputs) {
      feeds[input.name] =
        input.kind === 'state' ? onnxValue(state(input.name)) : hostValue(this.#ort, input, batch, scalars);
    }
    const fetches: Record<string, Ort.Tensor | null> = {};
    for (const name of this.#session.results) fetches[name] = null;
    for (const name of this.#updates) {
      if (this.#donated.has(name)) fetches[updateName(name)] = onnxValue(state(name));
    }
    this.#largeUpdates.forEach(({ gradient }, i) => {
      if (gradient.kind === 'result') fetches[gradient.name] = this.#gradientIn(blocks[i]!);
    });
    const results = await this.#session.session.run(feeds, fetches);
    for (const name of this.#updates) {
      if (!this.#donated.has(name)) (state(name) as CpuTensor).replace(this.#ort, results[updateName(name)]!);
    }
    this.#largeUpdates.forEach((update, i) => {
      runUpdate(update, blocks[i]!.block, state, operand => this.#scalar(operand, scalars, results));
    });
    return Object.fromEntries(this.#outputs.map(name => [name, results[outputName(name)]!.data as Float32Array]));
  }

  /** Moves weight and moments into one memory, unless they are in it already. */
  #blockOf({ weight, first, second, elements }: LargeUpdate, state: States): TensorBlock {
    const tensors = [weight, first, second].map(name => state(name) as CpuTensor) as [CpuTensor, CpuTensor, CpuTensor];
    const known = this.#blocks.get(tensors[0]);
    if (known?.tensors.every((tensor, i) => tensor === tensors[i])) return known;
    const block = new AdamwBlock(elements);
    const { weight: weights, first: firsts, second: seconds } = block.values;
    [weights, firsts, seconds].forEach((values, i) => {
      values.set(valuesOf(tensors[i]!));
      tensors[i]!.value = new this.#ort.Tensor('float32', values, tensors[i]!.shape);
    });
    const made = { block, tensors };
    this.#blocks.set(tensors[0], made);
    return made;
  }

  #gradientIn({ block, tensors }: TensorBlock): Ort.Tensor {
    return new this.#ort.Tensor('float32', block.values.gradient, tensors[0].shape);
  }

  #scalar(operand: Operand, scalars: ScalarValues, results: Ort.InferenceSession.OnnxValueMapType): number {
    if (operand.kind === 'constant') return operand.value;
    if (operand.kind === 'result') return (results[operand.name]!.data as Float32Array)[0]!;
    const value = scalars[operand.name];
    if (value === undefined) throw missing('scalar', operand.name);
    return Math.fround(value);
  }

  async close(): Promise<void> {
    await this.#session.session.release();
  }
}

/** Scalars are rounded to f32 where the nodes of lowerAdamw would round them. */
function runUpdate(update: LargeUpdate, block: AdamwBlock, state: States, scalar: (operand: Operand) => number): void {
  if (update.gradient.kind === 'state') block.values.gradient.set(valuesOf(state(update.gradient.name)));
  const clip = scalar(update.clip);
  block.update({
    beta1: update.beta1,
    beta2: update.beta2,
    firstShare: Math.fround(clip * Math.fround(1 - update.beta1)),
    secondShare: Math.fround(Math.fround(clip * clip) * Math.fround(1 - update.beta2)),
    stepSize: scalar(update.stepSize),
    epsilon: scalar(update.epsilon),
    keep: scalar(update.keep),
  });
}
