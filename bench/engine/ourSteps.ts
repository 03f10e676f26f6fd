/**
 * Training steps of the embedded engine, for bench/engine/arms.ts: settings in argv, one line of JSON when it is ready,
 * then one a round, whenever a line comes in. Random tokens, two documents a row, so that the packing mask does something.
 */
import { createInterface } from 'node:readline';
import type { Batch } from '../../src/engine/batch.ts';
import { openTuningModel } from '../../src/engine/model/openTuningModel.ts';
import { openRuntime } from '../../src/engine/runtime/chooseRuntime.ts';
import type { OurParts, Work } from './arms.ts';
import { asRecipe } from './asRecipe.ts';

const { folder, rows, length, threads, steps, warmup, parts } = JSON.parse(process.argv[2]!) as Work & {
  parts: OurParts;
};
const runtime = await openRuntime({ runtime: 'onnxruntime' }, threads);
const model = await openTuningModel({ folder, recipe: asRecipe(parts), threads, runtime });

let seed = 0;
await timeSteps(warmup);
const { parameters, trainedParameters } = model;
say({ version: `${runtime.name} ${runtime.version}`, parameters, trainedParameters });
for await (const _ of createInterface({ input: process.stdin })) {
  say({ ms: await timeSteps(steps), peakBytes: process.resourceUsage().maxRSS * 1024 });
}
await model.close();

async function timeSteps(count: number): Promise<number[]> {
  const ms: number[] = [];
  for (let i = 0; i < count; i++) {
    const batch = packedBatch(++seed);
    const startedAt = performance.now();
    await model.step([batch], { learningRate: 1e-4 });
    ms.push(performance.now() - startedAt);
  }
  return ms;
}

function packedBatch(seed: number): Batch {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * model.vocabularySize);
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

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
