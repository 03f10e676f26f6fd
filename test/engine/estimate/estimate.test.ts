import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import type { RowPlan } from '../../../src/engine/data/rowPlan.ts';
import { EngineError } from '../../../src/engine/engineError.ts';
import { arenaBytes, executionOrder } from '../../../src/engine/estimate/arena.ts';
import { batchShapes, resized, tokensOf } from '../../../src/engine/estimate/batchShapes.ts';
import { refuseTooLarge } from '../../../src/engine/estimate/estimateRun.ts';
import { freeMemory } from '../../../src/engine/estimate/freeMemory.ts';
import { plannedModel, runSize, type SizedRun } from '../../../src/engine/estimate/runSize.ts';
import { measureSpeed, secondsToRun } from '../../../src/engine/estimate/speed.ts';
import { Graph } from '../../../src/engine/graph/graph.ts';
import { add, exp } from '../../../src/engine/graph/operators/elementwise.ts';
import { matmul } from '../../../src/engine/graph/operators/matmul.ts';
import { parseModelConfig } from '../../../src/engine/model/modelConfig.ts';
import { openRuntime } from '../../../src/engine/runtime/chooseRuntime.ts';
import type { ResolvedRecipe } from '../../../src/recipe/schema.ts';
import { type RecipeParts, recipe } from '../model/tinyLlama.ts';

const folder = await mkdtemp(join(tmpdir(), 'holdfast-estimate-'));
after(() => rm(folder, { recursive: true }));

/** Far too large to be opened in a test: only its shapes are looked at. */
const config = parseModelConfig({
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', vocab_size: 32_000, hidden_size: 1024 },
  ...{ intermediate_size: 2816, num_hidden_layers: 4, num_attention_heads: 16, num_key_value_heads: 4 },
  ...{ max_position_embeddings: 2048, tie_word_embeddings: true },
});

function sized(parts: RecipeParts = {}, more: Partial<ResolvedRecipe> = {}): SizedRun {
  const steps = [{ microBatches: [{ rows: 8, length: 256 }], times: 1, first: 1 }];
  const train = { batch_size: 8, max_length: 256 };
  return {
    config,
    recipe: { ...recipe({ train, ...parts }), ...more },
    batches: { steps, scored: [{ rows: 16, length: 256 }] },
  };
}

test('nodes run in an order in which their inputs are there', () => {
  const { programs } = plannedModel(config, sized().recipe);
  const { nodes } = programs.step({ rows: 2, length: 16 });
  const order = executionOrder(nodes);
  const done = new Set(order.flatMap(node => node.outputs));
  const made = new Set();
  for (const { inputs, outputs } of order) {
    for (const input of inputs) assert.ok(made.has(input) || !done.has(input));
    for (const output of outputs) made.add(output);
  }
});

test('a chain of operators that write over their input holds one buffer', () => {
  const graph = new Graph();
  let x = graph.input('x', 'batch', [1000]);
  for (let i = 0; i < 10; i++) x = exp(x);
  graph.output('y', x);
  assert.equal(arenaBytes(graph), 4000);
});

test('what is read again later is not written over', () => {
  const graph = new Graph();
  const x = exp(graph.input('x', 'batch', [1000]));
  graph.output('y', add(exp(x), x));
  assert.equal(arenaBytes(graph), 8000);
});

test('a run takes less with an adapter, few tensors, a shared base, small micro-batches and short rows', () => {
  const full = runSize(sized());
  const regularize = (teacher: 'copy' | 'swap') =>
    runSize(sized({ method: { regularize: { weight: 1, teacher }, narrow: { tune: ['mlp'] } } }));
  const [lora, narrow] = [sized({ adapter: { type: 'lora' } }), sized({ method: { narrow: { tune: ['attention'] } } })];
  const run = sized();
  assert.ok(runSize(lora) < runSize(narrow) && runSize(narrow) < full);
  assert.ok(regularize('swap') < regularize('copy'));
  assert.ok(runSize({ ...run, batches: resized(run.batches, { rows: 2 }) }) < full);
  assert.ok(runSize({ ...run, batches: resized(run.batches, { length: 64 }) }) < full);
  assert.ok(runSize({ ...run, otherBase: config }) > full);
});

test('a run that does not fit is refused with the settings that make it fit, first what changes no result, then the smallest, each with its figure', () => {
  const run = sized();
  const heldBytes = 100 * 2 ** 20;
  const bytes = heldBytes + runSize(run);
  const refusal = (freeBytes: number): EngineError => {
    try {
      refuseTooLarge({ run, heldBytes, bytes, freeBytes });
    } catch (error) {
      assert.ok(error instanceof EngineError);
      return error;
    }
    return assert.fail('it was not refused');
  };
  const { code, message, remedy } = refusal(bytes * 0.9);
  assert.equal(code, 'out-of-memory');
  assert.match(message, /would take about [\d.]+ GB of memory, and [\d.]+ GB are free/);
  assert.match(
    remedy!,
    /^It would fit with one of these: train\.gradient_checkpointing: true \([\d.]+ [GM]B\); .*adapter: \{ type: lora \} \([\d.]+ [GM]B\).*; /,
  );
  const figures = [...remedy!.matchAll(/\(([\d.]+) ([GM])B\)/g)].map(
    ([, n, unit]) => Number(n) * (unit === 'G' ? 1024 : 1),
  );
  assert.ok(figures.length > 3);
  assert.deepEqual(
    figures.slice(1),
    figures.slice(1).sort((a, b) => a - b),
  );
  assert.equal(remedy!.split('train.max_length').length, 2, 'only the mildest value of a key');
  assert.match(remedy!, /memory: try/);
  assert.match(refusal(heldBytes).remedy!, /^No one setting is enough/);
});

test('a run that fits, or that is to be tried all the same, is not refused', () => {
  const run = sized();
  refuseTooLarge({ run, heldBytes: 0, bytes: 2 ** 30, freeBytes: 2 ** 30 });
  refuseTooLarge({ run: sized({}, { memory: 'try' }), heldBytes: 0, bytes: 2 ** 31, freeBytes: 2 ** 30 });
});

test('of each kind of step is known how often it comes, and the first one', () => {
  const lengths = [8, 16, 16, 16];
  const at = (step: number) => ({ microBatches: [{ rows: 2, length: lengths[(step - 1) % lengths.length]! }] });
  const { steps } = batchShapes({ at } as unknown as RowPlan, 10, [], 16);
  assert.deepEqual(
    steps.map(kind => [kind.first, kind.times, tokensOf(kind)]),
    [
      [1, 3, 16],
      [2, 7, 32],
    ],
  );
});

test('a graph takes as long as its products at the rate of products and the rest at the rate of memory', () => {
  const graph = new Graph();
  const a = graph.input('a', 'state', [100, 100]);
  graph.output('y', exp(matmul(a, a)));
  const seconds = secondsToRun(graph, { flopsPerSecond: 1e6, bytesPerSecond: 8e4 });
  assert.ok(Math.abs(seconds - 3) < 1e-3, String(seconds));
});

test('a thin product takes as long as its result is written', () => {
  const graph = new Graph();
  graph.output('y', matmul(graph.input('a', 'state', [1000, 1]), graph.input('b', 'state', [1, 1000])));
  const seconds = secondsToRun(graph, { flopsPerSecond: 1e9, bytesPerSecond: 4e6 });
  assert.ok(seconds > 1 && seconds < 1.01, String(seconds));
});

test('the rates are measured on the shapes of the run', async () => {
  const runtime = await openRuntime({ runtime: 'onnxruntime' }, 1);
  const rates = await measureSpeed(runtime, { tokens: 32, width: 64, feedForwardWidth: 128 });
  await runtime.close();
  for (const rate of Object.values(rates)) assert.ok(rate > 1e6 && rate < 1e14, String(rate));
});

async function system(name: string, files: Record<string, string>): Promise<{ proc: string; cgroups: string }> {
  const [proc, cgroups] = [join(folder, name, 'proc'), join(folder, name, 'cgroup')];
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name, file)), { recursive: true });
    await writeFile(join(folder, name, file), text);
  }
  return { proc, cgroups };
}

const meminfo = 'MemTotal:       8000000 kB\nMemFree:         100000 kB\nMemAvailable:   4000000 kB\n';

test('free is what the system can give without swapping', async () => {
  const files = await system('plain', { 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/\n' });
  assert.equal(freeMemory({ platform: 'linux', ...files }), 4_000_000 * 1024);
});

test('a container leaves its limit without what it uses, files that were read not counted', async () => {
  const files = await system('new', {
    'proc/meminfo': meminfo,
    'proc/self/cgroup': '0::/pod/box\n',
    'cgroup/memory.max': 'max\n',
    'cgroup/pod/memory.max': '1000000\n',
    'cgroup/pod/memory.current': '700000\n',
    'cgroup/pod/memory.stat': 'anon 300000\ninactive_file 400000\n',
    'cgroup/pod/box/memory.max': '900000\n',
    'cgroup/pod/box/memory.current': '100000\n',
  });
  assert.equal(freeMemory({ platform: 'linux', ...files }), 700_000);
});

test('a container of the older kind leaves as much', async () => {
  const files = await system('old', {
    'proc/meminfo': meminfo,
    'proc/self/cgroup': '5:cpu:/x\n4:memory:/box\n0::/\n',
    'cgroup/memory/box/memory.limit_in_bytes': '500000\n',
    'cgroup/memory/box/memory.usage_in_bytes': '450000\n',
    'cgroup/memory/box/memory.stat': 'cache 1\ntotal_inactive_file 50000\n',
  });
  assert.equal(freeMemory({ platform: 'linux', ...files }), 100_000);
});
