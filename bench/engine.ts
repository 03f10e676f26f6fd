/**
 * How fast a whole training step is: tokens a second, GFLOP/s and peak memory of the Node engine on a small Llama,
 * alternating with torch eager doing the same work where HOLDFAST_PYTHON names a Python with torch. Both clip the
 * gradient, take a packing mask and update with AdamW. Run it on an idle machine only.
 *
 * usage: npm run bench:engine [-- --rounds 5 --steps 12 --threads 2]
 */
import { spawn } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Batch } from '../src/engine/batch.ts';
import { Graph } from '../src/engine/graph/graph.ts';
import { matmul } from '../src/engine/graph/operators/matmul.ts';
import { sumAll } from '../src/engine/graph/operators/reduce.ts';
import { openFreshModel } from '../src/engine/model/openTuningModel.ts';
import { openOnnxRuntime } from '../src/engine/runtime/onnxruntime/openOnnxRuntime.ts';

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '12' },
    threads: { type: 'string', default: String(Math.min(2, availableParallelism())) },
  },
});
const [rounds, steps, threads] = [args.rounds, args.steps, args.threads].map(Number) as [number, number, number];
const warmup = 3;
const [rows, length] = [8, 128];
const config = {
  vocab_size: 4096,
  hidden_size: 256,
  num_hidden_layers: 6,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  intermediate_size: 688,
  max_position_embeddings: length,
  tie_word_embeddings: true,
};

/** What one round measured. */
interface Round {
  msPerStep: number;
  peakBytes: number;
}

interface Engine {
  name: string;
  round(): Promise<Round>;
  close(): Promise<void>;
}

await main();

async function main(): Promise<void> {
  const engines = [await nodeEngine()];
  const python = process.env.HOLDFAST_PYTHON;
  if (python) engines.push(await torchEngine(python));
  console.log(`${cpus()[0]?.model.trim()}, ${threads} threads, Node ${process.versions.node}`);
  console.log(`${engines.map(({ name }) => name).join(' against ')}; ${rounds} rounds of ${steps} steps, alternating`);

  const results = new Map<Engine, Round[]>(engines.map(engine => [engine, []]));
  for (let i = 0; i < rounds; i++) {
    for (const engine of engines) results.get(engine)!.push(await engine.round());
  }
  console.log('\n| engine | tokens/s, median (range) | GFLOP/s | peak memory |\n|---|---|---|---|');
  for (const [engine, measured] of results) console.log(row(engine.name, measured));
  const [ours, theirs] = engines.map(engine => results.get(engine)!);
  if (theirs) {
    const ratios = ours!.map(({ msPerStep }, i) => theirs[i]!.msPerStep / msPerStep);
    console.log(`\nspeed beside torch eager: ${spread(ratios, x => `${x.toFixed(2)}x`)}`);
  } else {
    console.log('\nHOLDFAST_PYTHON is not set: torch was not measured');
  }
  await Promise.all(engines.map(engine => engine.close()));
  for (const n of [1024, 2048])
    console.log(`matmul of ${n}³: ${spread(await matmulRates(n), x => `${x.toFixed(0)} GFLOP/s`)}`);
}

function row(name: string, measured: Round[]): string {
  const speed = measured.map(({ msPerStep }) => (1000 * rows * length) / msPerStep);
  const gflops = (median(speed) * flopsPerToken()) / 1e9;
  const peak = Math.max(...measured.map(({ peakBytes }) => peakBytes)) / 2 ** 20;
  return `| ${name} | ${spread(speed, x => x.toFixed(0))} | ${gflops.toFixed(0)} | ${peak.toFixed(0)} MiB |`;
}

/** Products with the weights, three times, and attention; the usual 6N count. */
function flopsPerToken(): number {
  const { hidden_size: d, num_hidden_layers: layers, intermediate_size: f, vocab_size: v } = config;
  const keyValues = (d * config.num_key_value_heads) / config.num_attention_heads;
  return 6 * (layers * (2 * d * d + 2 * d * keyValues + 3 * d * f) + v * d) + 12 * layers * length * d;
}

function median(numbers: number[]): number {
  return ascending(numbers)[Math.floor(numbers.length / 2)]!;
}

function spread(numbers: number[], text: (x: number) => string): string {
  const [low, high] = [ascending(numbers)[0]!, ascending(numbers).at(-1)!];
  return `${text(median(numbers))} (${text(low)}-${text(high)})`;
}

function ascending(numbers: number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}

async function nodeEngine(): Promise<Engine> {
  const train = { weight_decay: 0.01, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, max_grad_norm: 1 };
  const model = await openFreshModel({ config, seed: 1, train, threads });
  let seed = 1;
  const timeStep = async () => {
    const batch = packedBatch(seed++);
    const start = performance.now();
    await model.step([batch], { learningRate: 3e-4 });
    return performance.now() - start;
  };
  const timeSteps = async (count: number) => {
    const times: number[] = [];
    for (let i = 0; i < count; i++) times.push(await timeStep());
    return times;
  };
  await timeSteps(warmup);
  const opened = await openOnnxRuntime();
  return {
    name: `${model.runtime.name} ${opened.available ? opened.runtime.version : ''}`,
    round: async () => ({
      msPerStep: median(await timeSteps(steps)),
      peakBytes: process.resourceUsage().maxRSS * 1024,
    }),
    close: () => model.close(),
  };
}

/** Two documents a row, so that the packing mask does something. */
function packedBatch(seed: number): Batch {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * config.vocab_size);
  };
  const tokens = rows * length;
  const half = length / 2;
  return {
    rows,
    length,
    ids: Int32Array.from({ length: tokens }, next),
    labels: Int32Array.from({ length: tokens }, next),
    positions: Int32Array.from({ length: tokens }, (_, i) => i % half),
    segments: Int32Array.from({ length: tokens }, (_, i) => 1 + (Math.floor(i / half) % 2)),
    kinds: new Uint8Array(rows),
  };
}

async function torchEngine(python: string): Promise<Engine> {
  const script = fileURLToPath(new URL('./engineTorch.py', import.meta.url));
  const settings = JSON.stringify({ config, rows, length, threads, steps, warmup });
  const child = spawn(python, [script, settings], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', code => reject(new Error(`${python} ended with exit code ${code}`)));
  });
  exited.catch(() => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => JSON.parse((await Promise.race([lines.next(), exited])).value as string);
  const { version } = (await answer()) as { version: string };
  return {
    name: `torch ${version} eager`,
    round: async () => {
      child.stdin.write('round\n');
      const { ms, peakBytes } = (await answer()) as { ms: number[]; peakBytes: number };
      return { msPerStep: median(ms), peakBytes };
    },
    close: async () => {
      child.stdin.end();
    },
  };
}

/** What the runtime reaches on one large product alone. */
async function matmulRates(n: number): Promise<number[]> {
  const opened = await openOnnxRuntime({ threads });
  if (!opened.available) throw new Error(opened.reason);
  const graph = new Graph();
  const [a, b] = [graph.input('a', 'state', [n, n]), graph.input('b', 'state', [n, n])];
  graph.output('sum', sumAll(matmul(a, b)));
  const program = await opened.runtime.compile(graph);
  const tensor = opened.runtime.upload(
    Float32Array.from({ length: n * n }, (_, i) => Math.sin(i)),
    [n, n],
  );
  const rates: number[] = [];
  for (let i = 0; i < 2 * rounds; i++) {
    const start = performance.now();
    await program.run(() => tensor, {}, {});
    if (i >= rounds) rates.push((2 * n ** 3) / (performance.now() - start) / 1e6);
  }
  await program.close();
  return rates;
}
