/**
 * How much of the runtime's own speed a step reaches: the step's GFLOP/s beside those of its matrix products alone, each
 * shape as often as the step has it, and beside large square ones.
 */

import { plannedModel } from '../../src/engine/estimate/runSize.ts';
import { Graph, size, type Tensor } from '../../src/engine/graph/graph.ts';
import { liveParts } from '../../src/engine/graph/live.ts';
import { lossHeadInputs } from '../../src/engine/graph/operators/lossHead.ts';
import { type MatmulOptions, matmul } from '../../src/engine/graph/operators/matmul.ts';
import { slice } from '../../src/engine/graph/operators/shape.ts';
import { readModelConfig } from '../../src/engine/model/modelConfig.ts';
import { openRuntime } from '../../src/engine/runtime/chooseRuntime.ts';
import { chunkTokens } from '../../src/engine/runtime/onnxruntime/lowerLossHead.ts';
import type { Runtime } from '../../src/engine/runtime/runtime.ts';
import { median, spread } from '../spread.ts';
import { ourArm, type Work } from './arms.ts';
import { asRecipe } from './asRecipe.ts';
import { percent } from './measure.ts';
import type { Part } from './part.ts';

interface Product {
  a: readonly number[];
  b: readonly number[];
  options: MatmulOptions;
  times: number;
}

const squares = [1024, 2048];

export const products: Part = async ({ workplace, threads, rounds }) => {
  const work: Work = { folder: workplace.M, rows: 8, length: 128, threads, steps: 6, warmup: 3 };
  const { config } = await readModelConfig(work.folder);
  const step = plannedModel(config, asRecipe({})).programs.step(work);
  const shapes = productsOf(step);
  const flops = shapes.reduce((sum, product) => sum + product.times * flopsOf(product), 0);
  const runtime = await openRuntime({ runtime: 'onnxruntime' }, threads);
  const timers = await Promise.all(shapes.map(shape => timer(runtime, shape)));
  const large = await Promise.all(squares.map(n => timer(runtime, { a: [n, n], b: [n, n], options: {}, times: 1 })));
  const arm = await ourArm('ours', work);

  const rates = { step: [] as number[], products: [] as number[], squares: squares.map((): number[] => []) };
  for (let i = 0; i < rounds; i++) {
    rates.step.push(flops / (await arm.round()).msPerStep / 1e6);
    let ms = 0;
    for (const [place, { times }] of shapes.entries()) ms += times * (await timers[place]!());
    rates.products.push(flops / ms / 1e6);
    for (const [place, n] of squares.entries())
      rates.squares[place]!.push((2 * n ** 3) / (await large[place]!()) / 1e6);
  }
  await arm.close();
  await runtime.close();

  const row = (name: string, values: number[]) => `| ${name} | ${spread(values, x => x.toFixed(0))} |`;
  return {
    measures: [
      {
        name: "GFLOP/s of a step, M, to its products' own",
        values: rates.step.map((rate, i) => rate / rates.products[i]!),
        ...{ text: percent, must: 0.6, goal: 0.85, limit: 'at least' },
      },
    ],
    details: [
      `| products, ${(flops / 1e9).toFixed(1)} GFLOP a step | GFLOP/s |\n|---|---|`,
      row('a whole step', rates.step),
      row(`its ${shapes.length} shapes of products alone`, rates.products),
      ...squares.map((n, i) => row(`one product of ${n}³`, rates.squares[i]!)),
    ].join('\n'),
  };
};

/** The products of a graph, equal ones counted. */
function productsOf(graph: Graph): Product[] {
  const known = new Map<string, Product>();
  const count = (a: readonly number[], b: readonly number[], options: MatmulOptions, times = 1) => {
    const key = JSON.stringify([a, b, options]);
    const product = known.get(key) ?? { a, b, options, times: 0 };
    known.set(key, { ...product, times: product.times + times });
  };
  for (const { operator, inputs, attributes } of liveParts(graph).nodes) {
    if (operator.name === 'matmul') count(inputs[0]!.shape, inputs[1]!.shape, attributes as MatmulOptions);
    if (operator.name === 'lossHead') countLossHead(inputs, count);
  }
  return [...known.values()];
}

/** Logits and both gradients, chunk by chunk. */
function countLossHead(
  inputs: readonly Tensor[],
  count: (a: readonly number[], b: readonly number[], options: MatmulOptions, times: number) => void,
): void {
  const [tokens, width] = inputs[lossHeadInputs.hidden]!.shape as [number, number];
  const head = inputs[lossHeadInputs.head]!.shape;
  const chunk = chunkTokens({ tokens, width, vocabulary: head[0]! });
  const logits = [chunk, head[0]!];
  count([chunk, width], head, { transposeB: true }, tokens / chunk);
  count(logits, head, {}, tokens / chunk);
  count(logits, [chunk, width], { transposeA: true }, tokens / chunk);
}

function flopsOf({ a, b, options: { transposeB = false } }: Product): number {
  const columns = b.at(transposeB ? -2 : -1)!;
  return 2 * size(a) * columns;
}

/** Milliseconds of one product; nothing of its result is looked at but a row. */
async function timer(runtime: Runtime, { a, b, options }: Product): Promise<() => Promise<number>> {
  const graph = new Graph();
  const result = matmul(graph.input('a', 'state', a), graph.input('b', 'state', b), options);
  graph.output('row', slice(result, result.shape.length - 2, 0, 1));
  const program = await runtime.compile(graph);
  const state = new Map(
    graph.inputs.map(({ name, tensor: { shape } }) => [
      name,
      runtime.upload(
        Float32Array.from({ length: size(shape) }, (_, i) => Math.sin(i)),
        shape,
      ),
    ]),
  );
  return async () => {
    const ms: number[] = [];
    for (let i = 0; i < 5; i++) {
      const startedAt = performance.now();
      await program.run(name => state.get(name)!, {}, {});
      ms.push(performance.now() - startedAt);
    }
    return median(ms);
  };
}
