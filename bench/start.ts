/**
 * How long a run takes to its first step: started for the first time, and again, when what the first start compiled and
 * scored lies in the cache. The two in turns, each pair with a cache of its own. On an idle machine.
 *
 * usage: npm run bench:start [-- --pairs 3 --recipe "135M LoRA" --threads 2]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { recipePaths, resolveRecipe } from '../src/recipe/resolve.ts';
import { recipeSchema } from '../src/recipe/schema.ts';
import { askTrainer } from './estimate/measureRun.ts';
import { makeWorkplace, shapes } from './estimate/shapes.ts';

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '3' },
    recipe: { type: 'string', default: '135M LoRA' },
    threads: { type: 'string', default: String(Math.min(2, availableParallelism())) },
  },
});
const shape = shapes.find(({ name }) => name === values.recipe);
if (!shape) throw new Error(`There is no recipe ${values.recipe}: ${shapes.map(({ name }) => name).join(', ')}`);
const folder = resolve('bench/work/estimate');
await makeWorkplace(folder, 'models/holdfast-tiny');
const recipe = resolveRecipe(recipeSchema.parse(shape.recipe), { variant: 'as-written', fileName: 'bench.tune.yaml' });
const paths = Object.fromEntries(recipePaths(recipe).map(path => [path, join(folder, path)]));
const start = { job: 'train', recipe, paths, threads: Number(values.threads) } as const;

const [first, second]: [number[], number[]] = [[], []];
for (let pair = 0; pair < Number(values.pairs); pair++) {
  const cache = await mkdtemp(join(tmpdir(), 'holdfast-bench-cache-'));
  first.push(await secondsToFirstStep(cache));
  second.push(await secondsToFirstStep(cache));
  await rm(cache, { recursive: true });
}
console.log(`${cpus()[0]?.model.trim()}, ${start.threads} threads, Node ${process.versions.node}\n`);
console.log(`| ${shape.name}, seconds to the first step | median | range |\n|---|---|---|`);
console.log(`| first start | ${median(first).toFixed(1)} | ${range(first)} |`);
console.log(`| second start | ${median(second).toFixed(1)} | ${range(second)} |`);
console.log(`\nThe second is ${(median(first) / median(second)).toFixed(1)} times as fast.`);

async function secondsToFirstStep(cache: string): Promise<number> {
  const startedAt = performance.now();
  await askTrainer(resolve('dist/trainer.cjs'), start, { cache, isEnough: ({ event }) => event.type === 'step' });
  return (performance.now() - startedAt) / 1000;
}

function median(seconds: number[]): number {
  return seconds.toSorted((a, b) => a - b)[Math.floor(seconds.length / 2)]!;
}

function range(seconds: number[]): string {
  return `${Math.min(...seconds).toFixed(1)}–${Math.max(...seconds).toFixed(1)}`;
}
