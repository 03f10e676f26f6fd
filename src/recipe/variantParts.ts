/** Which method sections a variant runs with, and what it lacks where it cannot run. */
import { RecipeError, wholeText } from './problem.ts';
import { adaptersRemain } from './rules.ts';
import { type Recipe, recipeSchema, type VariantName } from './schema.ts';

/** The sections that a variant runs with; where the file has none, the documented defaults. */
export function methodOf(recipe: Recipe, variant: VariantName): Recipe['method'] {
  const lack = lackOf(recipe, variant);
  if (lack) {
    const message = `The variant ${variant} cannot run: ${lack.reason}`;
    const problem = { severity: 'error' as const, code: 'needs-data', message, path: ['method'], range: wholeText };
    throw new RecipeError([{ ...problem, remedy: lack.remedy }]);
  }
  const { replay, regularize, narrow } = recipe.method;
  switch (variant) {
    case 'plain':
      return {};
    case 'replay':
      return { replay };
    case 'regularized':
      return { regularize: { ...(regularize ?? defaults().regularize!), on: ['task'] } };
    case 'narrow':
      return { narrow: narrow ?? defaults().narrow };
    case 'as-written':
      return { replay, regularize, narrow };
    default:
      return variant satisfies never;
  }
}

/** Nothing, or why this variant cannot run. */
export function lackOf(recipe: Recipe, variant: VariantName): { reason: string; remedy: string } | undefined {
  const { replay, narrow } = recipe.method;
  if (recipe.command && variant !== 'plain' && variant !== 'as-written')
    return { reason: 'not with command', remedy: 'The program of command trains as it is written: run it as written.' };
  if (variant === 'replay' && !replay)
    return { reason: 'needs data', remedy: 'Add method.replay with a file of rows of the old kind.' };
  if (variant !== 'narrow' || !recipe.adapter) return undefined;
  const { tune } = narrow ?? defaults().narrow!;
  return adaptersRemain(tune, recipe.adapter.target_modules)
    ? undefined
    : { reason: 'needs modules', remedy: 'Add method.narrow.tune with some of adapter.target_modules.' };
}

function defaults(): Recipe['method'] {
  const { regularize, narrow } = recipeSchema.shape.method.parse({ regularize: {}, narrow: {} }) ?? {};
  return { regularize, narrow };
}
