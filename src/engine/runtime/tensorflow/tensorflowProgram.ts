/** Runs one graph, node by node. Knows when each tensor is read for the last time, and frees it then. */
import { setImmediate } from 'node:timers/promises';
import { EngineError } from '../../engineError.ts';
import { estimateCost } from '../../graph/cost.ts';
import { type Graph, type Input, type Node, size, type Tensor } from '../../graph/graph.ts';
import { type Live, liveParts } from '../../graph/live.ts';
import type { BatchValues, DeviceTensor, Program, ScalarValues } from '../runtime.ts';
import { ruleFor } from './lower.ts';
import { Operations } from './operations.ts';
import type { StateTensor } from './stateTensor.ts';
import type { Tfjs, TfTensor } from './tfjs.ts';

/** TensorFlow keeps this thread: timers and orders get their turn after so long. */
const turnMs = 50;

interface Step {
  node: Node;
  rule: ReturnType<typeof ruleFor>;
  wants: boolean[];
  /** Read here for the last time. */
  done: Tensor[];
}

export class TensorflowProgram implements Program {
  readonly cost;
  readonly #tfjs: Tfjs;
  readonly #tf: Operations;
  readonly #graph: Graph;
  readonly #live: Live;
  readonly #inputs: Input[];
  readonly #steps: Step[];

  constructor(tfjs: Tfjs, graph: Graph) {
    this.cost = estimateCost(graph);
    this.#tfjs = tfjs;
    this.#tf = new Operations(tfjs);
    this.#graph = graph;
    this.#live = liveParts(graph);
    this.#inputs = graph.inputs.filter(({ tensor }) => this.#live.tensors.has(tensor));
    this.#steps = planSteps(graph, this.#live);
  }

  async run(state: (name: string) => DeviceTensor, batch: BatchValues, scalars: ScalarValues) {
    /** What this run has made and not freed yet. */
    const own = new Map<Tensor, TfTensor>();
    const borrowed = new Map<Tensor, TfTensor>();
    try {
      for (const input of this.#inputs) {
        if (input.kind === 'state') borrowed.set(input.tensor, (state(input.name) as StateTensor).value);
        else own.set(input.tensor, this.#hostValue(input, batch, scalars));
      }
      for (const [tensor, data] of this.#graph.constants) {
        if (!this.#live.tensors.has(tensor)) continue;
        borrowed.set(tensor, this.#tf.constant(`constant ${tensor.id}`, data, tensor.shape));
      }
      await this.#runSteps(own, borrowed);
      const found = (tensor: Tensor) => (own.get(tensor) ?? borrowed.get(tensor))!;
      const outputs = Object.fromEntries(
        [...this.#graph.outputs].map(([name, tensor]) => [name, found(tensor).dataSync() as Float32Array]),
      );
      // All new values exist before the first old one goes: one may be made of another.
      const updates = [...this.#graph.updates].map(
        ([name, tensor]) => [name, this.#tf.unary('Identity', found(tensor))] as const,
      );
      for (const [name, value] of updates) (state(name) as StateTensor).replace(value);
      return outputs;
    } finally {
      for (const tensor of own.values()) tensor.dispose();
    }
  }

  async close(): Promise<void> {
    this.#tf.close();
  }

  async #runSteps(own: Map<Tensor, TfTensor>, borrowed: ReadonlyMap<Tensor, TfTensor>): Promise<void> {
    let turnedAt = performance.now();
    for (const { node, rule, wants, done } of this.#steps) {
      const inputs = node.inputs.map(tensor => (own.get(tensor) ?? borrowed.get(tensor))!);
      const results = this.#results(
        node,
        () => rule({ tf: this.#tf, node, inputs, attributes: node.attributes, wants }),
        wants,
      );
      node.outputs.forEach((output, i) => {
        if (wants[i]) own.set(output, results[i]!);
      });
      for (const tensor of done) {
        own.get(tensor)?.dispose();
        own.delete(tensor);
      }
      if (performance.now() - turnedAt < turnMs) continue;
      await setImmediate();
      turnedAt = performance.now();
    }
  }

  /** Frees what a rule leaves behind. */
  #results(node: Node, work: () => (TfTensor | undefined)[], wants: readonly boolean[]): (TfTensor | undefined)[] {
    let results: (TfTensor | undefined)[] = [];
    try {
      this.#tfjs.tidy(() => {
        results = work();
        return results.filter((tensor, i): tensor is TfTensor => tensor !== undefined && wants[i] === true);
      });
      return results;
    } catch (error) {
      throw failedIn(node, error);
    }
  }

  #hostValue({ name, kind, tensor }: Input, batch: BatchValues, scalars: ScalarValues): TfTensor {
    const scalar = scalars[name];
    const values = kind === 'batch' ? batch[name] : scalar === undefined ? undefined : Float32Array.of(scalar);
    if (!values) throw new EngineError('runtime', `The program misses its ${kind} input ${name}`);
    if (values.length !== size(tensor.shape)) {
      throw new EngineError('runtime', `${name} has ${values.length} values instead of [${tensor.shape}]`);
    }
    return this.#tfjs.tensor(values, tensor.shape, values instanceof Int32Array ? 'int32' : 'float32');
  }
}

function failedIn({ operator }: Node, error: unknown): EngineError {
  const said = error instanceof Error ? error.message : String(error);
  // It begins with a number of TensorFlow's own.
  const why = /^Message: (.+)/m.exec(said)?.[1] ?? said.split('\n')[0];
  const message = `TensorFlow failed in ${operator.name}: ${why}`;
  if (!/OOM|out of memory|RESOURCE_EXHAUSTED/i.test(message))
    return new EngineError('runtime', message, { cause: error });
  const remedy = 'Lower train.micro_batch_size or train.max_length, or tune fewer tensors.';
  return new EngineError('out-of-memory', message, { remedy, cause: error });
}

function planSteps(graph: Graph, { nodes, tensors }: Live): Step[] {
  const results = new Set([...graph.outputs.values(), ...graph.updates.values()]);
  const lastReader = new Map<Tensor, Node>();
  for (const node of nodes) for (const input of node.inputs) lastReader.set(input, node);
  const done = new Map<Node, Tensor[]>();
  for (const [tensor, node] of lastReader) {
    if (!results.has(tensor)) done.set(node, [...(done.get(node) ?? []), tensor]);
  }
  return nodes.map(node => ({
    node,
    rule: ruleFor(node.operator.name),
    wants: node.outputs.map(output => tensors.has(output)),
    done: done.get(node) ?? [],
  }));
}
