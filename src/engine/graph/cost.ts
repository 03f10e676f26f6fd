/** What one run of a graph costs, told before anything runs. */
import { type Graph, size, type Tensor } from './graph.ts';
import { liveParts } from './live.ts';

export interface Cost {
  flops: number;
  /** Read and written by all operators. */
  bytesMoved: number;
  stateBytes: number;
  /** Largest sum of intermediate tensors that live at once, when nodes run in order. */
  peakBytes: number;
}

export const bytesOf = (tensor: Tensor): number => (tensor.dtype === 'bool' ? 1 : 4) * size(tensor.shape);

export function estimateCost(graph: Graph): Cost {
  const { nodes, tensors } = liveParts(graph);
  const results = new Set([...graph.outputs.values(), ...graph.updates.values()]);
  const lastUse = new Map<Tensor, number>();
  nodes.forEach((node, i) => {
    for (const input of node.inputs) lastUse.set(input, i);
  });
  const made = new Set<Tensor>();
  let [flops, bytesMoved, held, peakBytes] = [0, 0, 0, 0];
  nodes.forEach((node, i) => {
    const outputs = node.outputs.filter(output => tensors.has(output));
    flops +=
      node.operator.flops?.(node.inputs, outputs, node.attributes) ?? outputs.reduce((n, t) => n + size(t.shape), 0);
    for (const tensor of [...node.inputs, ...outputs]) bytesMoved += bytesOf(tensor);
    for (const output of outputs) {
      made.add(output);
      held += bytesOf(output);
    }
    peakBytes = Math.max(peakBytes, held);
    for (const input of new Set(node.inputs)) {
      if (made.has(input) && lastUse.get(input) === i && !results.has(input)) held -= bytesOf(input);
    }
  });
  const state = graph.inputs.filter(input => input.kind === 'state');
  return { flops, bytesMoved, stateBytes: state.reduce((n, input) => n + bytesOf(input.tensor), 0), peakBytes };
}
