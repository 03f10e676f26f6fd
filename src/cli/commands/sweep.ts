/** `holdfast sweep`: every combination of the values that the recipe lists, and what each kept and learned. */
import { basename } from 'node:path';
import { parseRecipe } from '../../recipe/parse.ts';
import { flattenSettings } from '../../recipe/resolve.ts';
import type { ResolvedRecipe } from '../../recipe/schema.ts';
import { sweepArms } from '../../recipe/sweep.ts';
import { readRecipe, resolveText } from '../../runs/createRun.ts';
import { RunsError } from '../../runs/runsError.ts';
import { type Command, flag, list, onlyPositional, text } from '../command.ts';
import { storeForRecipe } from '../machine.ts';
import type { Output } from '../output.ts';
import { noteWarnings } from '../problems.ts';
import { armsOptions, runArms } from '../runArms.ts';

export const sweep: Command = {
  name: 'sweep',
  summary: 'Run every combination of the values under sweep: in the recipe; tell what each kept.',
  usage: 'RECIPE [--dry-run] [--set KEY=VALUE …] [--report FILE.md] [--detach] [--json]',
  options: {
    'dry-run': { type: 'boolean', help: 'List the runs and make none.' },
    ...armsOptions,
  },
  async run({ positionals, values, output }) {
    const recipeFile = onlyPositional(sweep, positionals, 'RECIPE');
    const store = storeForRecipe(recipeFile);
    const recipeText = await readRecipe(recipeFile);
    noteWarnings(recipeFile, recipeText, output);
    const arms = armsOf(recipeFile, recipeText, list(values, 'set'));
    if (flag(values, 'dry-run')) return listOnly(arms, output);
    const report = text(values, 'report');
    const detached = flag(values, 'detach');
    return runArms({ kind: 'sweep', recipeFile, recipeText, store, arms, report, detached, output });
  },
};

function armsOf(recipeFile: string, recipeText: string, overrides: string[]): ResolvedRecipe[] {
  // Refuses a recipe with errors in the words that `run` would use.
  resolveText(recipeFile, recipeText, { variant: 'as-written', overrides });
  const { recipe, rangeOf } = parseRecipe(recipeText, recipeFile);
  if (!recipe) throw new RunsError('recipe', 'The recipe cannot be read', { file: recipeFile });
  try {
    return sweepArms(recipe, { fileName: basename(recipeFile), overrides });
  } catch (error) {
    const { code, message, remedy } = error as RunsError;
    throw new RunsError(code, message, { file: recipeFile, line: rangeOf(['sweep'])?.line, remedy, cause: error });
  }
}

function listOnly(arms: ResolvedRecipe[], output: Output): number {
  output.line(arms.map(({ variant }) => variant).join('\n'));
  output.line(`\n${arms.length} runs. Nothing was made.`);
  output.answer(arms.map(arm => ({ name: arm.name, variant: arm.variant, settings: flattenSettings(arm) })));
  return 0;
}
