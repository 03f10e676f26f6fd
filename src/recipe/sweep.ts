/** The runs of a sweep, resolved like any other run and named by what differs. Knows nothing of files. */

import { applyOverrides } from './overrides.ts';
import { checkRecipe } from './parse.ts';
import { type Problem, RecipeError, wholeText } from './problem.ts';
import { type ResolveOptions, resolveRecipe } from './resolve.ts';
import type { Recipe, ResolvedRecipe } from './schema.ts';
import { combinations } from './sweepGrid.ts';

/** Throws `RecipeError` where there is no sweep, or where two of its runs would be the same. */
export function sweepArms(written: Recipe, options: Omit<ResolveOptions, 'variant'>): ResolvedRecipe[] {
  const { overrides = [], ...rest } = options;
  const recipe = applyOverrides(written, overrides);
  if (!recipe.sweep) {
    const remedy = 'Add for example sweep: { train.learning_rate: [3e-4, 1e-3], train.seed: [1, 2, 3] }.';
    throw refusal('no-sweep', 'The recipe has no sweep', remedy);
  }
  const seen = new Map<string, string>();
  return combinations(recipe).map(({ label, recipe: value }) => {
    const { recipe: combined, complaints } = checkRecipe(value);
    const error = complaints.find(({ severity }) => severity === 'error');
    if (!combined || error) throw refusal(error?.code ?? 'recipe', `With ${label}: ${error?.message}`, error?.remedy);
    const arm = resolveRecipe(combined, { ...rest, variant: 'as-written' });
    const twin = seen.get(JSON.stringify(arm));
    if (twin !== undefined) {
      const remedy =
        'A key of the sweep has no effect here: a learning rate of method.narrow stands in for that of train.';
      throw refusal('bad-sweep', `The runs ${twin} and ${label} would be the same`, remedy);
    }
    seen.set(JSON.stringify(arm), label);
    return { ...arm, variant: label };
  });
}

function refusal(code: string, message: string, remedy?: string): RecipeError {
  const problem: Problem = { severity: 'error', code, message, remedy, path: ['sweep'], range: wholeText };
  return new RecipeError([problem]);
}
