/**
 * Which state tensors may be overwritten while a graph runs: those whose readers have all finished before the new value
 * is written. Then updated state is not held twice. Holds for every order of nodes that respects their inputs.
 */
import type { Graph, Node, Tensor } from '../graph/graph.ts';
import { liveParts } from '../graph/live.ts';

/** Operators that may write over an input of the same shape: each element depends on that element alone. */
const elementwise = new Set(['add', 'sub', 'mul', 'div', 'where', 'minimum', 'adamw']);

export function donatedState(graph: Graph): Set<string> {
  const { nodes } = liveParts(graph);
  const maker = new Map<Tensor, Node>();
  const readers = new Map<Tensor, Node[]>();
  for (const node of nodes) {
    for (const output of node.outputs) maker.set(output, node);
    for (const input of new Set(node.inputs)) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  const known = new Map<Node, Set<Node>>();
  const before = (node: Node): Set<Node> => {
    const found = known.get(node) ?? ancestors(node, maker);
    known.set(node, found);
    return found;
  };
  /** The last input first: of a step's update that is the clipping factor, which waits for nearly everything. */
  const waitsFor = (writer: Node, reader: Node): boolean =>
    reader === writer ||
    writer.inputs.toReversed().some(input => maker.has(input) && before(maker.get(input)!).has(reader));
  const states = graph.inputs.filter(input => input.kind === 'state');
  return new Set(
    states
      .filter(({ name, tensor }) => {
        const writer = maker.get(graph.updates.get(name) ?? tensor);
        if (!writer || !elementwise.has(writer.operator.name)) return false;
        return (readers.get(tensor) ?? []).every(reader => waitsFor(writer, reader));
      })
      .map(({ name }) => name),
  );
}

/** The node itself and all it waits for. */
function ancestors(node: Node, maker: ReadonlyMap<Tensor, Node>): Set<Node> {
  const found = new Set([node]);
  for (const current of found) {
    for (const input of current.inputs) {
      const before = maker.get(input);
      if (before) found.add(before);
    }
  }
  return found;
}
