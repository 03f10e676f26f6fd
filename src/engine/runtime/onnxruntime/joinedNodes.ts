/**
 * Pairs of nodes that onnxruntime does as one: rows that are added to zeros, and those to another tensor, as the gradient
 * of embeddings that are the head too. Then neither the zeros nor their sum is ever made.
 */
import type { Node, Tensor } from '../../graph/graph.ts';

/** The rows and what they are added to, by the node that adds both; their own node is then left out. */
export interface JoinedRows {
  rows: Node;
  onto: Tensor;
}

export function joinedRows(nodes: readonly Node[], results: ReadonlySet<Tensor>): Map<Node, JoinedRows> {
  const readers = new Map<Tensor, number>();
  for (const { inputs } of nodes) for (const input of inputs) readers.set(input, (readers.get(input) ?? 0) + 1);
  const makers = new Map(nodes.filter(isRows).map(node => [node.outputs[0]!, node]));
  const joined = new Map<Node, JoinedRows>();
  for (const node of nodes) {
    if (node.operator.name !== 'add') continue;
    const [sum] = node.outputs;
    const rows = node.inputs.find(input => makers.has(input) && readers.get(input) === 1 && !results.has(input));
    const onto = node.inputs.find(input => input !== rows);
    if (rows && onto && onto.shape.join() === sum!.shape.join()) joined.set(node, { rows: makers.get(rows)!, onto });
  }
  return joined;
}

const isRows = ({ operator }: Node): boolean => operator.name === 'addRows';
