/** What a graph's results need: everything else is left out when it is run or counted. */
import type { Graph, Node, Tensor } from './graph.ts';

export interface Live {
  /** In an order in which they can be run. */
  nodes: Node[];
  /** Tensors that are read by a live node or are results. */
  tensors: ReadonlySet<Tensor>;
}

export function liveParts(graph: Graph): Live {
  const tensors = new Set<Tensor>([...graph.outputs.values(), ...graph.updates.values()]);
  const nodes: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some(output => tensors.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) tensors.add(input);
  }
  return { nodes: nodes.reverse(), tensors };
}
