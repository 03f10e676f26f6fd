/**
 * Takes the large AdamW updates out of a graph: AdamwBlock does them behind the session's run. What remains is a graph
 * as before, with the updates' gradients and clipping factors as results.
 */
import { type Graph, type Node, size, type Tensor } from '../../graph/graph.ts';
import { liveParts } from '../../graph/live.ts';
import { mostElements } from './adamwKernel.ts';

/** A tensor under the name it has in the session. */
export interface Named {
  name: string;
  tensor: Tensor;
}

/** What becomes a session. */
export interface SessionGraph {
  /** In an order in which they can be run. */
  nodes: readonly Node[];
  inputs: readonly Named[];
  constants: Graph['constants'];
  results: readonly Named[];
}

/** Where an operand of an update is found: state, a scalar of the run, a constant, or a result of the session. */
export type Operand = { kind: 'state' | 'scalar' | 'result'; name: string } | { kind: 'constant'; value: number };

export interface LargeUpdate {
  /** State names. */
  weight: string;
  first: string;
  second: string;
  gradient: Operand;
  clip: Operand;
  stepSize: Operand;
  epsilon: Operand;
  keep: Operand;
  beta1: number;
  beta2: number;
  elements: number;
}

export const outputName = (name: string): string => `output/${name}`;
export const updateName = (name: string): string => `update/${name}`;

/** Below this an update is no work either way. */
const leastElements = 2 ** 14;

export function splitLargeUpdates(graph: Graph): { session: SessionGraph; updates: LargeUpdate[] } {
  const { nodes, tensors } = liveParts(graph);
  const large = new Set(nodes.filter(node => isLargeUpdate(graph, nodes, node)));
  // onnxruntime opens no session without a node.
  if (large.size === nodes.length) large.clear();
  const remaining = nodes.filter(node => !large.has(node));
  const made = new Set(remaining.flatMap(node => node.outputs));
  const gone = new Set([...large].flatMap(node => node.outputs));

  const handed = [...new Set([...large].flatMap(node => node.inputs))].filter(tensor => made.has(tensor));
  const results = [...resultsOf(graph), ...handed.map(tensor => ({ name: handedName(tensor), tensor }))];
  const session = {
    nodes: remaining,
    inputs: graph.inputs.filter(({ tensor }) => tensors.has(tensor)),
    constants: graph.constants,
    results: results.filter(({ tensor }) => !gone.has(tensor)),
  };
  return { session, updates: [...large].map(node => describe(graph, node)) };
}

/** All of a graph, for a device that makes the large updates as well as any other. */
export function wholeGraph(graph: Graph): SessionGraph {
  const { nodes, tensors } = liveParts(graph);
  const inputs = graph.inputs.filter(({ tensor }) => tensors.has(tensor));
  return { nodes, inputs, constants: graph.constants, results: resultsOf(graph) };
}

const resultsOf = ({ outputs, updates }: Graph): Named[] => [
  ...[...outputs].map(([name, tensor]) => ({ name: outputName(name), tensor })),
  ...[...updates].map(([name, tensor]) => ({ name: updateName(name), tensor })),
];

const handedName = (tensor: Tensor): string => `handed/${tensor.id}`;

/** Its outputs are the new values of the very states it reads, and nothing else. */
function isLargeUpdate(graph: Graph, nodes: readonly Node[], node: Node): boolean {
  if (node.operator.name !== 'adamw') return false;
  const elements = size(node.outputs[0]!.shape);
  if (elements < leastElements || elements > mostElements) return false;
  const isUpdate = ownStates(graph, node).every(
    ({ input, output }) => input?.kind === 'state' && graph.updates.get(input.name) === output,
  );
  const isRead = nodes.some(({ inputs }) => inputs.some(input => node.outputs.includes(input)));
  return isUpdate && !isRead && ![...graph.outputs.values()].some(output => node.outputs.includes(output));
}

function ownStates(graph: Graph, { inputs, outputs }: Node) {
  const [weight, , first, second] = inputs;
  return [weight, first, second].map((tensor, place) => ({
    input: graph.inputs.find(input => input.tensor === tensor),
    output: outputs[place]!,
  }));
}

function describe(graph: Graph, node: Node): LargeUpdate {
  const [weight, first, second] = ownStates(graph, node).map(({ input }) => input!.name) as [string, string, string];
  const [, gradient, , , clip, stepSize, epsilon, keep] = node.inputs.map(tensor => operandOf(graph, tensor));
  const { beta1, beta2 } = node.attributes as { beta1: number; beta2: number };
  return {
    ...{ weight, first, second, beta1, beta2, elements: size(node.outputs[0]!.shape) },
    ...{ gradient: gradient!, clip: clip!, stepSize: stepSize!, epsilon: epsilon!, keep: keep! },
  };
}

function operandOf(graph: Graph, tensor: Tensor): Operand {
  const input = graph.inputs.find(input => input.tensor === tensor);
  if (input) return { kind: input.kind === 'state' ? 'state' : 'scalar', name: input.name };
  const constant = graph.constants.get(tensor);
  if (constant) return { kind: 'constant', value: constant[0]! };
  return { kind: 'result', name: handedName(tensor) };
}
