/**
 * What `holdfast check` tells beside what a run then takes: memory as the peak of the trainer's process over what it held
 * before it read anything, and seconds a step, as computed before the model is opened and as timed with it. Eight recipes, each
 * checked before its run and after it. Memory may be measured on a busy machine, time on an idle one only. Linux.
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
  '| recipe | memory: computed, measured | | seconds a step: computed, timed, measured | | |\n|---|---|---|---|---|---|',
);
for (const shape of shapes) if (values.only.split(',').includes(shape.name)) console.log(await row(shape));

async function row({ name, recipe: written }: Shape): Promise<string> {
  const recipe = resolveRecipe(recipeSchema.parse(written), { variant: 'as-written', fileName: 'bench.tune.yaml' });
  const paths = Object.fromEntries(recipePaths(recipe).map(path => [path, join(folder, path)]));
  const before = await estimatesOf({ recipe, paths, threads });
  const told = await askTrainer(trainer, { job: 'train', recipe, paths, threads });
  const after = await estimatesOf({ recipe, paths, threads });
  const idle = told[0]!.bytes;
  const peak = Math.max(...told.map(({ peakBytes }) => peakBytes)) - idle;
  const memory = before.computed.memoryBytes - idle;
  // A machine's speed changes within the minute of a run.
  const [computed, timed] = (['computed', 'timed'] as const).map(
    basis => (before[basis].secondsPerStep + after[basis].secondsPerStep) / 2,
  ) as [number, number];
  const seconds = medianSeconds(told);
  return `| ${[
    name,
    `${mebibytes(memory)}, ${mebibytes(peak)}`,
    deviation(memory, peak),
    [computed, timed, seconds].map(s => s.toFixed(3)).join(', '),
    deviation(computed, seconds),
    deviation(timed, seconds),
  ].join(' | ')} |`;
}

type Estimates = Record<'computed' | 'timed', EstimateEvent>;

async function estimatesOf(start: Pick<StartCommand, 'recipe' | 'paths' | 'threads'>): Promise<Estimates> {
  const told = await askTrainer(trainer, { job: 'check', ...start });
  const estimates = told.map(({ event }) => event).filter((event): event is EstimateEvent => event.type === 'estimate');
  const by = (wanted: EstimateEvent['basis']) => estimates.find(({ basis }) => basis === wanted);
  const [computed, timed] = [by('computed'), by('timed')];
  if (computed && timed) return { computed, timed };
  throw new Error(`The check of ${start.recipe.name} told no estimate`);
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

function deviation(estimated: number, measured: number): string {
  const percent = 100 * (estimated / measured - 1);
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(0)} %`;
}

function medianSeconds(told: Told[]): number {
  const steps = told.map(({ event }) => event).filter((event): event is StepEvent => event.type === 'step');
  const seconds = steps.slice(warmup).map(({ metrics }) => metrics.tokens! / metrics.tokensPerSecond!);
  return seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 2)]!;
}
