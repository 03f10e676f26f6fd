/**
 * What every runtime must do, against the slow reference interpreter: the value and gradient of each operator, state that
 * stays with it, twenty steps of each method, and the step-0 checks. A runtime's own test file calls it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph } from '../../../src/engine/graph/graph.ts';
import { interpret } from '../../../src/engine/graph/interpreter.ts';
import { adamw } from '../../../src/engine/graph/operators/adamw.ts';
import { add, mul, neg, scale } from '../../../src/engine/graph/operators/elementwise.ts';
import { matmul } from '../../../src/engine/graph/operators/matmul.ts';
import { sumSquares } from '../../../src/engine/graph/operators/reduce.ts';
import { openRuntime, type RuntimeChoice } from '../../../src/engine/runtime/chooseRuntime.ts';
import type { DeviceTensor, Runtime } from '../../../src/engine/runtime/runtime.ts';
import { graphOf, operatorCases, values } from '../graph/operatorCases.ts';
import { type RecipeParts, someBatch, withModel } from '../model/tinyLlama.ts';
import { makeTinyFiles } from '../support/tinyRun.ts';
import { eventsOf, watchedRun } from '../support/watchedRun.ts';
import { referenceRuntime } from './referenceRuntime.ts';

const noState = () => assert.fail('no state');

/** Adam amplifies rounding where gradients are small: curves are compared at a low rate and a large epsilon. */
const gentle = { learning_rate: 1e-4, adam_epsilon: 1e-6, weight_decay: 0.01 };
const methods: Record<string, RecipeParts> = {
  plain: {},
  'KL to a copy of the base': { method: { regularize: { weight: 0.5, teacher: 'copy' } } },
  'reverse KL at T = 2': { method: { regularize: { weight: 0.5, direction: 'reverse', temperature: 2 } } },
  'KL on replayed rows': { method: { regularize: { weight: 0.5, on: ['replay'] }, replay: { data: 'replay.txt' } } },
  'attention alone': { method: { narrow: { tune: ['attention'] } } },
  LoRA: { adapter: { type: 'lora', r: 4 } },
  'LoRA with KL': { adapter: { type: 'lora', r: 4 }, method: { regularize: { weight: 0.5 } } },
};

export function runtimeSuite(choice: RuntimeChoice, runtime: Runtime): void {
  const name = `${choice.runtime} on ${runtime.provider}`;
  for (const operatorCase of operatorCases) {
    test(`${name}: ${operatorCase.name} and its gradient agree with the interpreter to 1e-5`, async () => {
      const { graph, inputs } = graphOf(operatorCase);
      const expected = interpret(graph, inputs).outputs;
      const program = await runtime.compile(graph);
      const batch = Object.fromEntries(Object.entries(inputs).map(([key, v]) => [key, Float32Array.from(v)]));
      const outputs = await program.run(noState, batch, {});
      for (const [key, values] of expected) {
        assert.equal(outputs[key]!.length, values.length);
        values.forEach((value, i) => {
          const apart = Math.abs(outputs[key]![i]! - value);
          assert.ok(apart < 1e-5 * (1 + Math.abs(value)), `${key}[${i}] is ${apart} apart`);
        });
      }
      await program.close();
    });
  }

  for (const [title, parts] of Object.entries(methods)) {
    test(`${name}: twenty steps of ${title} are those of the interpreter to 1e-4`, async () => {
      const expected = await curve(referenceRuntime(), parts);
      const ours = await curve(await openRuntime(choice, 1), parts);
      expected.forEach((step, i) => {
        for (const [key, value] of Object.entries(step)) {
          const apart = Math.abs(ours[i]![key]! - value);
          assert.ok(apart < 1e-4 * Math.max(1, Math.abs(value)), `step ${i + 1}: ${key} is ${apart} apart`);
        }
      });
    });
  }

  test(`${name}: a run passes the step-0 checks, learns, and says what computed it`, async () => {
    const files = await makeTinyFiles();
    const start = files.start({
      ...choice,
      method: { regularize: { weight: 0.5, on: ['task', 'replay'] }, replay: { data: 'replay.txt', share: 0.25 } },
    });
    const events = await watchedRun(start);
    const [checked] = eventsOf(events, 'checked');
    const verdicts = Object.values(checked!.checks).map(({ status }) => status);
    assert.ok(checked!.ok);
    assert.ok(verdicts.filter(status => status === 'ok').length >= 5, String(verdicts));
    assert.equal(eventsOf(events, 'prepared')[0]!.runtime.name, runtime.name);
    assert.equal(eventsOf(events, 'prepared')[0]!.runtime.provider, runtime.provider);
    const losses = eventsOf(events, 'step').map(({ metrics }) => metrics.loss!);
    assert.ok(losses.at(-1)! < losses[0]!);
    assert.equal(eventsOf(events, 'finished').length, 1);
  });

  for (const elements of [12, 2 * 2 ** 15, 3 * 20_000]) {
    for (const isReadAgain of [false, true]) {
      const title = `adamw on ${elements} elements${isReadAgain ? ', read again,' : ''}`;
      test(`${name}: ${title} agrees with the interpreter, in place`, () => checkAdamw(runtime, elements, isReadAgain));
    }
  }
  stateTests(name, runtime);
}

type Step = Record<string, number>;

async function curve(opened: Runtime, parts: RecipeParts): Promise<Step[]> {
  return withModel({ ...parts, train: gentle, opened }, async model => {
    const steps: Step[] = [];
    const kinds = parts.method?.replay ? [0, 1] : undefined;
    for (let i = 0; i < 20; i++) {
      const halves =
        i % 5 === 4 ? [someBatch(i, 2, 4, kinds), someBatch(i + 50, 2, 4, kinds)] : [someBatch(i, 2, 4, kinds)];
      const { penalties, replayLoss, ...rest } = await model.step(halves, { learningRate: gentle.learning_rate });
      steps.push({ ...rest, ...penalties, ...(replayLoss !== undefined && { replayLoss }) });
    }
    return steps;
  });
}

const names = ['weight', 'gradient', 'first', 'second'];

export function adamwGraph(elements: number, { isReadAgain = false, isGradientMade = false }): Graph {
  const graph = new Graph();
  const state = (name: string) => graph.input(name, 'state', [elements / 4, 4]);
  const scalar = (name: string) => graph.input(name, 'scalar', []);
  const [clip, stepSize, epsilon, keep] = [scalar('clip'), scalar('stepSize'), scalar('epsilon'), scalar('keep')];
  const slots = {
    weight: state('weight'),
    gradient: state('gradient'),
    first: state('first'),
    second: state('second'),
  };
  graph.output('norm', sumSquares(slots.gradient));
  if (isGradientMade) slots.gradient = scale(slots.gradient, 0.7);
  const next = adamw({ ...slots, clip, stepSize, epsilon, keep }, { beta1: 0.9, beta2: 0.99 });
  for (const [name, tensor] of Object.entries(next)) graph.update(name, isReadAgain ? scale(tensor, 0.5) : tensor);
  return graph;
}

async function checkAdamw(runtime: Runtime, elements: number, isReadAgain: boolean): Promise<void> {
  const graph = adamwGraph(elements, { isReadAgain });
  const scalars = { clip: 0.5, stepSize: 0.1, epsilon: 1e-3, keep: 0.9 };
  const start = names.map((_, i) => values([elements], i, i === 3));
  const inputs = Object.fromEntries(names.map((name, i) => [name, start[i]!]));
  const wrapped = Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, [value]]));
  const expected = interpret(graph, { ...inputs, ...wrapped }).updates;
  const shape = [elements / 4, 4];
  const tensors = Object.fromEntries(
    names.map(name => [name, runtime.upload(Float32Array.from(inputs[name]!), shape)]),
  );
  const program = await runtime.compile(graph);
  await program.run(name => tensors[name]!, {}, scalars);
  for (const [name, expectedValues] of expected) {
    const ours = await runtime.read(tensors[name]!);
    const apart = ours.reduce((most, x, i) => Math.max(most, Math.abs(x - expectedValues[i]!)), 0);
    assert.ok(apart < 1e-6, `${name} is ${apart} apart`);
  }
  await program.close();
  for (const tensor of Object.values(tensors)) runtime.free(tensor);
}

/** w ← w − rate · (x·w), with the product read out. */
export function decayGraph(): Graph {
  const graph = new Graph();
  const [w, x, rate] = [
    graph.input('w', 'state', [2, 2]),
    graph.input('x', 'batch', [2, 2]),
    graph.input('rate', 'scalar', []),
  ];
  const product = matmul(x, w);
  graph.output('product', product);
  graph.update('w', add(w, mul(neg(product), rate)));
  return graph;
}

function stateTests(name: string, runtime: Runtime): void {
  test(`${name}: state is updated and stays with the runtime`, async () => {
    const tensor = runtime.upload(Float32Array.of(1, 2, 3, 4), [2, 2]);
    const program = await runtime.compile(decayGraph());
    for (let i = 0; i < 3; i++) await program.run(() => tensor, { x: Float32Array.of(1, 0, 0, 1) }, { rate: 0.5 });
    assert.deepEqual([...(await runtime.read(tensor))], [0.125, 0.25, 0.375, 0.5]);
    await runtime.write(tensor, Float32Array.of(8, 8, 8, 8));
    await program.run(() => tensor, { x: Float32Array.of(1, 0, 0, 1) }, { rate: 1 });
    assert.deepEqual([...(await runtime.read(tensor))], [0, 0, 0, 0]);
    await program.close();
    runtime.free(tensor);
  });

  test(`${name}: two states may each become what the other was`, async () => {
    const graph = new Graph();
    const [a, b] = [graph.input('a', 'state', [2]), graph.input('b', 'state', [2])];
    graph.update('a', scale(b, 2));
    graph.update('b', scale(a, 3));
    const tensors: Record<string, DeviceTensor> = {
      a: runtime.upload(Float32Array.of(1, 2), [2]),
      b: runtime.upload(Float32Array.of(10, 20), [2]),
    };
    const program = await runtime.compile(graph);
    await program.run(name => tensors[name]!, {}, {});
    assert.deepEqual([...(await runtime.read(tensors.a!))], [20, 40]);
    assert.deepEqual([...(await runtime.read(tensors.b!))], [3, 6]);
    await program.close();
    for (const tensor of Object.values(tensors)) runtime.free(tensor);
  });

  test(`${name}: an input that was not given, or of another size, is named`, async () => {
    const program = await runtime.compile(decayGraph());
    const tensor = runtime.upload(new Float32Array(4), [2, 2]);
    const run = (batch: Record<string, Float32Array>, scalars: Record<string, number>) =>
      program.run(() => tensor, batch, scalars);
    await assert.rejects(run({}, { rate: 1 }), /misses its batch input x/);
    await assert.rejects(run({ x: new Float32Array(4) }, {}), /misses its scalar input rate/);
    await assert.rejects(run({ x: new Float32Array(3) }, { rate: 1 }), /x has 3 values instead of \[2,2\]/);
    runtime.free(tensor);
    await assert.rejects(run({ x: new Float32Array(4) }, { rate: 1 }), /freed tensor/);
    await program.close();
  });
}
