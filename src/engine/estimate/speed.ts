/**
 * How long a graph takes: its products by the rate of a product measured just now, everything else by how fast memory is
 * passed over. Knows nothing of runs.
 */
import { bytesOf } from '../graph/cost.ts';
import { Graph, type Node } from '../graph/graph.ts';
import { liveParts } from '../graph/live.ts';
import { add } from '../graph/operators/elementwise.ts';
import { matmul } from '../graph/operators/matmul.ts';
import { sumAll } from '../graph/operators/reduce.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface Speed {
  flopsPerSecond: number;
  bytesPerSecond: number;
}

/** The sides of the product and the elements of the sum: large enough for their rates, together a tenth of a second. */
const [rows, inner, columns] = [1024, 512, 1024];
const elements = 2 ** 22;
const repetitions = 5;

export async function measureSpeed(runtime: Runtime): Promise<Speed> {
  const product = new Graph();
  const a = product.input('a', 'state', [rows, inner]);
  const b = product.input('b', 'state', [inner, columns]);
  product.output('result', sumAll(matmul(a, b)));
  const sum = new Graph();
  sum.output('result', sumAll(add(sum.input('a', 'state', [elements]), sum.input('b', 'state', [elements]))));
  const ofSum = 4 * (2 + 1 + 1) * elements;
  return {
    flopsPerSecond: (2 * rows * inner * columns) / (await secondsOf(product, runtime)),
    bytesPerSecond: ofSum / (await secondsOf(sum, runtime)),
  };
}

/** The median of several runs. */
async function secondsOf(graph: Graph, runtime: Runtime): Promise<number> {
  const program = await runtime.compile(graph);
  const state = new Map(
    graph.inputs.map(({ name, tensor: { shape } }) => {
      const values = new Float32Array(shape.reduce((product, extent) => product * extent, 1)).fill(0.5);
      return [name, runtime.upload(values, shape)] as const;
    }),
  );
  const seconds: number[] = [];
  for (let i = 0; i <= repetitions; i++) {
    const startedAt = performance.now();
    await program.run(name => state.get(name)!, {}, {});
    seconds.push((performance.now() - startedAt) / 1000);
  }
  await program.close();
  for (const tensor of state.values()) runtime.free(tensor);
  return seconds.slice(1).sort((a, b) => a - b)[Math.floor(repetitions / 2)]!;
}

/** Operators whose work is products. */
const products = new Set(['matmul', 'lossHead']);
const free = new Set(['reshape']);
/** From one node to the next, whatever it does. */
const secondsPerNode = 5e-6;

export function secondsToRun(graph: Graph, { flopsPerSecond, bytesPerSecond }: Speed): number {
  const secondsFor = (node: Node): number => {
    const { operator, inputs, outputs, attributes } = node;
    if (free.has(operator.name)) return 0;
    if (products.has(operator.name)) return operator.flops!(inputs, outputs, attributes) / flopsPerSecond;
    return [...inputs, ...outputs].reduce((sum, tensor) => sum + bytesOf(tensor), 0) / bytesPerSecond;
  };
  return liveParts(graph).nodes.reduce((sum, node) => sum + secondsPerNode + secondsFor(node), 0);
}
