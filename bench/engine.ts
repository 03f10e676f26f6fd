/**
 * How fast and how large the embedded engine's steps are: beside torch doing the same work, beside the runtime's own
 * products, and each way of tuning beside plain. Arms are processes of their own that take turns, round by round. Run it
 * on an idle machine only. HOLDFAST_PYTHON names a Python with torch, transformers and PEFT; without one, torch is left out.
 *
 * usage: npm run bench:engine [-- --only full,products,lora,copy,swap,narrow,first --rounds 5 --threads 2]
 */
import { availableParallelism, cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { firstStep } from './engine/firstStep.ts';
import { fullStep } from './engine/fullStep.ts';
import { loraStep } from './engine/lora.ts';
import { measureTable } from './engine/measure.ts';
import { narrowSteps } from './engine/narrow.ts';
import type { Part } from './engine/part.ts';
import { byCopy, bySwap } from './engine/penalty.ts';
import { products } from './engine/products.ts';
import { makeWorkplace } from './estimate/shapes.ts';

const parts: Record<string, Part> = {
  full: fullStep,
  products,
  lora: loraStep,
  copy: byCopy,
  swap: bySwap,
  narrow: narrowSteps,
  first: firstStep,
};

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(parts).join() },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(Math.min(2, availableParallelism())) },
  },
});
const [rounds, threads] = [Number(values.rounds), Number(values.threads)];
const chosen = values.only.split(',');
const unknown = chosen.find(name => !parts[name]);
if (unknown) throw new Error(`There is no part "${unknown}"; there are ${Object.keys(parts).join(', ')}`);

const folder = resolve('bench/work/estimate');
await makeWorkplace(folder, 'models/holdfast-tiny');
const workplace = { M: join(folder, 'M'), '135M': join(folder, '135M') };
console.log(
  `${cpus()[0]?.model.trim()}, ${threads} threads, Node ${process.versions.node}; ${rounds} rounds, alternating`,
);
if (!process.env.HOLDFAST_PYTHON) console.log('HOLDFAST_PYTHON is not set: torch is not measured');

for (const name of chosen) {
  const { measures, details } = await parts[name]!({ workplace, threads, rounds });
  console.log(`\n${measureTable(measures)}\n\n${details}`);
}
