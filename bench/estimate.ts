/**
 * What `holdfast check` computes before a model is opened beside what a run then takes: memory as the peak of the
 * trainer's process over what it held before it read anything, and seconds a step, as told before the run and after it. Eight recipes, one after the other.
 * Memory may be measured on a busy machine, time on an idle one only. Linux.
 *
 * usage: npm run bench:estimate [-- --only full,LoRA --threads 2]
 */
import { availableParallelism, cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { EstimateEvent, StartCommand, StepEvent } from '../src/protocol/trainer.ts';
import { recipePaths, resolveRecipe } from '../src/recipe/resolve.ts';
import { recipeSchema } from '../src/recipe/schema.ts';
import { askTrainer, type Told } from './estimate/measureRun.ts';
import { makeWorkplace, type Shape, shapes } from './estimate/shapes.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: shapes.map(({ name }) => name).join() },
    threads: { type: 'string', default: String(Math.min(2, availableParallelism())) },
  },
});
const threads = Number(values.threads);
const trainer = resolve('dist/trainer.cjs');
const folder = resolve('bench/work/estimate');
/** The first steps compile and touch memory for the first time. */
const warmup = 2;

await makeWorkplace(folder, 'models/holdfast-tiny');
console.log(`${cpus()[0]?.model.trim()}, ${threads} threads, Node ${process.versions.node}\n`);
console.log(
  '| recipe | memory: estimated, measured | | seconds a step: estimated, measured | |\n|---|---|---|---|---|',
);
for (const shape of shapes) if (values.only.split(',').includes(shape.name)) console.log(await row(shape));

async function row({ name, recipe: written }: Shape): Promise<string> {
  const recipe = resolveRecipe(recipeSchema.parse(written), { variant: 'as-written', fileName: 'bench.tune.yaml' });
  const paths = Object.fromEntries(recipePaths(recipe).map(path => [path, join(folder, path)]));
  const before = await estimateOf({ recipe, paths, threads });
  const told = await askTrainer(trainer, { job: 'train', recipe, paths, threads });
  const after = await estimateOf({ recipe, paths, threads });
  const idle = told[0]!.bytes;
  const peak = Math.max(...told.map(({ peakBytes }) => peakBytes)) - idle;
  const memory = beside(before.memoryBytes - idle, peak, bytes => `${(bytes / 2 ** 20).toFixed(0)} MiB`);
  // A machine's speed changes within the minute of a run.
  const estimated = (before.secondsPerStep + after.secondsPerStep) / 2;
  const time = beside(estimated, medianSeconds(told), seconds => seconds.toFixed(3));
  return `| ${name} | ${memory} | ${time} |`;
}

async function estimateOf(start: Pick<StartCommand, 'recipe' | 'paths' | 'threads'>): Promise<EstimateEvent> {
  const isComputed = ({ event }: Told) => event.type === 'estimate' && event.basis === 'computed';
  const { event } = (await askTrainer(trainer, { job: 'check', ...start }, { isEnough: isComputed })).at(-1)!;
  if (event.type === 'estimate') return event;
  throw new Error(`The check of ${start.recipe.name} told no estimate`);
}

function beside(estimated: number, measured: number, text: (x: number) => string): string {
  const percent = 100 * (estimated / measured - 1);
  return `${text(estimated)}, ${text(measured)} | ${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(0)} %`;
}

function medianSeconds(told: Told[]): number {
  const steps = told.map(({ event }) => event).filter((event): event is StepEvent => event.type === 'step');
  const seconds = steps.slice(warmup).map(({ metrics }) => metrics.tokens! / metrics.tokensPerSecond!);
  return seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 2)]!;
}
