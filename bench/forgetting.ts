/**
 * `npm run bench:forgetting`: every arm in the three examples on three seeds that no setting was chosen on; writes the
 * tables into docs/benchmarks.md and the README. Goes on where it was when it is started again. With a seed as its
 * argument it runs that seed alone and prints the tables: so settings are chosen, on the seed of the recipes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { RunResult } from '../src/protocol/result.ts';
import { type Arm, arms, reportedSeeds } from './forgetting/arms.ts';
import { prepareWork, resultOf } from './forgetting/runArm.ts';
import { aims, exampleTable, learningOf, lossOf, type Results, recovery, summaryTable } from './forgetting/tables.ts';

const examples = ['support-tone', 'new-town', 'order-code'];
const root = join(import.meta.dirname, '..');

async function main(): Promise<void> {
  prepareWork();
  const [seed, ...only] = process.argv.slice(2);
  const seeds = seed === undefined ? reportedSeeds : [Number(seed)];
  const results = await runAll(seeds, only);
  if (seed === undefined) report(results);
}

async function runAll(seeds: readonly number[], only: readonly string[]): Promise<Results> {
  const chosen = arms.filter(arm => only.length === 0 || only.includes(arm.name) || arm.name === 'plain');
  const results: Results = Object.fromEntries(
    examples.map(example => [example, Object.fromEntries(chosen.map(arm => [arm.name, []]))]),
  );
  // Seed by seed, so that an interrupted bench holds whole seeds.
  for (const seed of seeds) {
    for (const example of examples) {
      for (const arm of chosen) {
        const result = await resultOf(example, arm, seed);
        results[example]![arm.name]!.push(result);
        tell(example, seed, arm, result, results[example]!.plain!.at(-1)!);
      }
    }
  }
  return results;
}

function tell(example: string, seed: number, arm: Arm, result: RunResult, plain: RunResult): void {
  const losses = Object.entries(result.forgetting).map(([name, set]) => `${name} ${lossOf(set).toFixed(2)}`);
  const saved = recovery(result, plain);
  process.stdout.write(
    `${example}, seed ${seed}, ${arm.name}: learned ${learningOf(result).toFixed(3)}, lost ${losses.join(', ')}, ` +
      `${saved === null ? 'plain forgot nothing' : `saved ${(100 * saved).toFixed(0)} %`}, ${result.verdict}, ` +
      `${result.seconds.toFixed(0)} s\n`,
  );
}

function report(results: Results): void {
  const summary = `${summaryTable(results)}\n\n${aims(results)}`;
  put('README.md', summary);
  const legend = arms.map(arm => `- **${arm.name}**: ${arm.what}`).join('\n');
  const machine = `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.versions.node}`;
  const parts = [
    `Seeds ${reportedSeeds.join(', ')}; ${machine}.`,
    legend,
    summary,
    ...examples.map(example => `### ${example}\n\n${exampleTable(results[example]!)}`),
  ];
  put(join('docs', 'benchmarks.md'), parts.join('\n\n'));
}

/** Replaces what stands between the markers of the table. */
function put(file: string, text: string): void {
  const path = join(root, file);
  const [begin, end] = ['<!-- table:forgetting -->', '<!-- /table:forgetting -->'];
  const old = readFileSync(path, 'utf8');
  const [from, to] = [old.indexOf(begin), old.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no ${begin} … ${end}`);
  writeFileSync(path, `${old.slice(0, from + begin.length)}\n${text}\n${old.slice(to)}`);
}

await main();
