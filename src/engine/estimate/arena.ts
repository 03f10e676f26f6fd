/**
 * What a session of onnxruntime holds at most while it runs a graph, told from the graph: its nodes in the order in which
 * onnxruntime takes them, its tensors while somebody still reads them, with the buffers it shares. State lies outside,
 * and so do new values that are written over the old.
 */
import { bytesOf } from '../graph/cost.ts';
import { type Graph, type Node, size, type Tensor } from '../graph/graph.ts';
import { lossHeadInputs, lossHeadOutputs } from '../graph/operators/lossHead.ts';
import { donatedState } from '../runtime/donation.ts';
import { splitLargeUpdates } from '../runtime/onnxruntime/largeUpdates.ts';
import { chunkTokens } from '../runtime/onnxruntime/lowerLossHead.ts';

/** The output is the input under another shape. */
const views = new Set(['reshape']);
/** The output may take the buffer of an input that nobody reads any more. */
const inPlace = new Set(['add', 'sub', 'mul', 'div', 'neg', 'exp', 'log', 'sqrt', 'reciprocal', 'sigmoid']);

export function arenaBytes(graph: Graph): number {
  const { session, updates } = splitLargeUpdates(graph);
  const donated = donatedState(graph);
  const handed = new Set(updates.flatMap(({ gradient }) => (gradient.kind === 'result' ? [gradient.name] : [])));
  const outside = [
    ...session.inputs.map(({ tensor }) => tensor),
    ...session.constants.keys(),
    ...[...graph.updates].filter(([name]) => donated.has(name)).map(([, tensor]) => tensor),
    ...session.results.filter(({ name }) => handed.has(name)).map(({ tensor }) => tensor),
  ];
  const order = executionOrder(session.nodes);
  const results = session.results.map(({ tensor }) => tensor);
  const buffers = new Buffers(order, new Set(results), new Set(outside));
  return order.reduce((peak, node) => Math.max(peak, buffers.run(node)), 0);
}

/**
 * Depth first from what nobody reads, the last made first; of a node's inputs, those made last come first. So gradients
 * of weights, for which nothing waits, come when the way back has been gone.
 */
export function executionOrder(nodes: readonly Node[]): Node[] {
  const place = new Map(nodes.map((node, i) => [node, i]));
  const maker = new Map(nodes.flatMap(node => node.outputs.map(output => [output, node] as const)));
  const read = new Set(nodes.flatMap(node => node.inputs));
  const ends = nodes.filter(node => !node.outputs.some(output => read.has(output)));
  const stack = ends.map(node => ({ node, isDone: false }));
  const seen = new Set<Node>();
  const order: Node[] = [];
  for (let entry = stack.pop(); entry; entry = stack.pop()) {
    const { node, isDone } = entry;
    if (isDone) order.push(node);
    if (isDone || seen.has(node)) continue;
    seen.add(node);
    stack.push({ node, isDone: true });
    const before = node.inputs.flatMap(input => maker.get(input) ?? []).sort((a, b) => place.get(a)! - place.get(b)!);
    stack.push(...before.map(node => ({ node, isDone: false })));
  }
  return order;
}

/** Which buffers are held, each until its last reader has run. */
class Buffers {
  #held = 0;
  /** Of each buffer, how many readers are still to come. A result is never done with. */
  readonly #readers = new Map<Tensor, number>();
  /** The tensor whose buffer this one lies in. */
  readonly #owner = new Map<Tensor, Tensor>();
  readonly #outside: ReadonlySet<Tensor>;

  constructor(order: readonly Node[], results: ReadonlySet<Tensor>, outside: ReadonlySet<Tensor>) {
    this.#outside = outside;
    for (const { operator, inputs, outputs } of order) {
      for (const input of inputs) this.#count(this.#ownerOf(input), 1);
      for (const output of outputs) {
        if (views.has(operator.name)) this.#owner.set(output, this.#ownerOf(inputs[0]!));
        if (results.has(output)) this.#count(this.#ownerOf(output), Number.POSITIVE_INFINITY);
      }
    }
  }

  /** Bytes held while the node runs. */
  run(node: Node): number {
    const read = node.inputs.map(input => this.#ownerOf(input));
    for (const buffer of read) this.#count(buffer, -1);
    const done = [...new Set(read)].filter(buffer => this.#readers.get(buffer) === 0);
    const made = views.has(node.operator.name) ? [] : node.outputs.filter(output => this.#readers.get(output));
    const taken = done.find(buffer => this.#isTaken(node, buffer));
    this.#held += sumOf(made, output => (taken ? 0 : this.#bytes(output)));
    const during = this.#held + workspaceBytes(node);
    this.#held -= sumOf(done, buffer => (buffer === taken ? 0 : this.#bytes(buffer)));
    return during;
  }

  #isTaken({ operator, outputs }: Node, buffer: Tensor): boolean {
    const [output] = outputs;
    const isFree = !this.#outside.has(buffer) && !this.#outside.has(output!);
    return isFree && inPlace.has(operator.name) && bytesOf(buffer) === bytesOf(output!);
  }

  #ownerOf = (tensor: Tensor): Tensor => this.#owner.get(tensor) ?? tensor;

  #bytes = (tensor: Tensor): number => (this.#outside.has(tensor) ? 0 : bytesOf(tensor));

  #count(buffer: Tensor, readers: number): void {
    this.#readers.set(buffer, (this.#readers.get(buffer) ?? 0) + readers);
  }
}

/** What an operator holds beside its inputs and outputs. */
function workspaceBytes({ operator, inputs, outputs }: Node): number {
  if (operator.name === 'addRows') return bytesOf(inputs[0]!);
  if (operator.name !== 'lossHead') return 0;
  const [hidden, head] = [inputs[lossHeadInputs.hidden]!, inputs[lossHeadInputs.head]!];
  const [tokens, width] = hidden.shape as [number, number];
  const vocabulary = head.shape[0]!;
  const logits = 4 * chunkTokens({ tokens, width, vocabulary }) * vocabulary;
  const hasTeacher = inputs.length > lossHeadInputs.ratio;
  const wantsHead = outputs[lossHeadOutputs.headGradient] !== undefined;
  return logits * (hasTeacher ? 6 : 3) + (wantsHead ? 2 * 4 * size(head.shape) : 0);
}

const sumOf = <T>(list: readonly T[], of: (item: T) => number): number => list.reduce((sum, item) => sum + of(item), 0);
