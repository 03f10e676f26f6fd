/**
 * How long a graph takes: its products by the rate of products of the run's own shapes measured just now, everything else
 * by how fast memory is passed over. Knows nothing of runs.
 */
import { bytesOf } from '../graph/cost.ts';
import { Graph, type Node } from '../graph/graph.ts';
import { liveParts } from '../graph/live.ts';
import { add } from '../graph/operators/elementwise.ts';
import { lossHeadInputs } from '../graph/operators/lossHead.ts';
import { matmul } from '../graph/operators/matmul.ts';
import { sumAll } from '../graph/operators/reduce.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface Speed {
  flopsPerSecond: number;
  bytesPerSecond: number;
}

/** What a run multiplies: `tokens` rows at once, by weights between its width and that of its feed-forward part. */
export interface ProductShape {
  tokens: number;
  width: number;
  feedForwardWidth: number;
}

/** Beyond these sides a product is no faster, and only takes longer to measure. */
const longest: ProductShape = { tokens: 1024, width: 1024, feedForwardWidth: 2048 };
/** Pairs of weights, each used once: as in a step, they come from memory and not from the cache. */
const pairs = 3;
/** Each of the size of an activation: what is so small is in a cache still when it is read, and passed over faster. */
const terms = 8;
const repetitions = 5;

/**
 * Products lose some of their rate to getting the weights ready, which is done anew for each and is the more, the fewer
 * tokens share it: a rate of square products would be too high for short batches.
 */
export async function measureSpeed(runtime: Runtime, shape: ProductShape): Promise<Speed> {
  const [tokens, width, wide] = (['tokens', 'width', 'feedForwardWidth'] as const).map(side =>
    Math.min(shape[side], longest[side]),
  ) as [number, number, number];
  const product = new Graph();
  let x = product.input('x', 'state', [tokens, width]);
  for (let i = 0; i < pairs; i++) {
    x = matmul(x, product.input(`up ${i}`, 'state', [wide, width]), { transposeB: true });
    x = matmul(x, product.input(`down ${i}`, 'state', [width, wide]), { transposeB: true });
  }
  product.output('result', sumAll(x));
  const sum = new Graph();
  let total = sum.input('x', 'state', [tokens, wide]);
  for (let i = 0; i < terms; i++) total = add(total, sum.input(`term ${i}`, 'state', [tokens, wide]));
  sum.output('result', sumAll(total));
  const ofSum = 4 * (3 * terms + 1) * tokens * wide;
  return {
    flopsPerSecond: (pairs * 2 * 2 * tokens * width * wide) / (await secondsOf(product, runtime)),
    bytesPerSecond: ofSum / (await secondsOf(sum, runtime)),
  };
}

/** The median of several runs. */
async function secondsOf(graph: Graph, runtime: Runtime): Promise<number> {
  const program = await runtime.compile(graph);
  const state = new Map(
    graph.inputs.map(({ name, tensor: { shape } }) => {
      const values = new Float32Array(shape.reduce((product, extent) => product * extent, 1)).fill(1 / 64);
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

const free = new Set(['reshape']);
/** From one node to the next, whatever it does. */
const secondsPerNode = 5e-6;

export function secondsToRun(graph: Graph, { flopsPerSecond, bytesPerSecond }: Speed): number {
  const secondsFor = (node: Node): number => {
    const { operator, inputs, outputs, attributes } = node;
    if (free.has(operator.name)) return 0;
    // Of `after`, only the first is passed on.
    const touched = operator.name === 'after' ? [inputs[0]!, ...outputs] : [...inputs, ...outputs];
    const seconds = touched.reduce((sum, tensor) => sum + bytesOf(tensor), 0) / bytesPerSecond;
    const ofProducts = (): number => operator.flops!(inputs, outputs, attributes) / flopsPerSecond;
    // A thin product, such as that of an adapter, takes as long as its long sides are read.
    if (operator.name === 'matmul') return Math.max(ofProducts(), seconds);
    if (operator.name === 'lossHead') return ofProducts() + logitsBytes(node) / bytesPerSecond;
    return seconds;
  };
  return liveParts(graph).nodes.reduce((sum, node) => sum + secondsPerNode + secondsFor(node), 0);
}

/** Probabilities, their logarithms and the gradient are each read and written once over all logits. */
const passesOverLogits = 6;

function logitsBytes({ inputs }: Node): number {
  const [hidden, head] = [inputs[lossHeadInputs.hidden]!, inputs[lossHeadInputs.head]!];
  const models = inputs.length > lossHeadInputs.ratio ? 2 : 1;
  return models * passesOverLogits * 4 * hidden.shape[0]! * head.shape[0]!;
}
