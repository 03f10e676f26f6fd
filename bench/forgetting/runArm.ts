/**
 * Runs one arm in one example on one seed, through the command line as a user would, and keeps its result in a file. An
 * arm whose result is there is not run again. Everything lies in bench/work, with a copy of the examples' data.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import type { RunResult } from '../../src/protocol/result.ts';
import type { Arm } from './arms.ts';

const root = join(import.meta.dirname, '..', '..');
const work = join(root, 'bench', 'work');

export function prepareWork(): void {
  mkdirSync(join(work, '.holdfast'), { recursive: true });
  mkdirSync(join(work, 'results'), { recursive: true });
  cpSync(join(root, 'examples', 'data'), join(work, 'data'), { recursive: true });
}

export async function resultOf(example: string, arm: Arm, seed: number): Promise<RunResult> {
  const name = `${example}--${slug(arm.name)}--${seed}`;
  const file = join(work, 'results', `${name}.json`);
  const text = recipeText(example, arm, seed);
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { recipe: string; result: RunResult };
    if (kept.recipe === text) return kept.result;
  }
  const recipe = join(work, `${name}.tune.yaml`);
  writeFileSync(recipe, text);
  const result = await run(recipe);
  writeFileSync(`${file}.new`, JSON.stringify({ recipe: text, result }, null, 1));
  renameSync(`${file}.new`, file);
  rmSync(result.folder, { recursive: true, force: true });
  rmSync(recipe);
  return result;
}

/** The example's recipe with this arm's parts instead of its own. The bench reads no curve and no answers. */
function recipeText(example: string, arm: Arm, seed: number): string {
  const recipe = parse(readFileSync(join(root, 'examples', `${example}.tune.yaml`), 'utf8'));
  const { max_steps, learning_rate } = recipe.train;
  return stringify({
    ...recipe,
    name: `${example}-${slug(arm.name)}`.slice(0, 40),
    retain: { ...recipe.retain, prompts: [] },
    method: arm.method ?? {},
    ...(arm.adapter === undefined ? {} : { adapter: arm.adapter }),
    train: { ...recipe.train, learning_rate: learning_rate * (arm.rate ?? 1), seed },
    evaluate: { every: max_steps },
    checkpoint: { every: max_steps, keep: ['last'] },
  });
}

async function run(recipe: string): Promise<RunResult> {
  const cli = join(root, 'dist', 'cli.cjs');
  const { stdout } = await promisify(execFile)(process.execPath, [cli, 'run', recipe, '--json'], {
    maxBuffer: 64 * 2 ** 20,
  });
  return JSON.parse(stdout) as RunResult;
}

function slug(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, '-');
}
