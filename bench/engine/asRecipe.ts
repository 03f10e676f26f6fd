/** The parts of a recipe that a bench is about, as the engine takes it. */
import { resolveRecipe } from '../../src/recipe/resolve.ts';
import { type ResolvedRecipe, recipeSchema } from '../../src/recipe/schema.ts';
import type { OurParts } from './arms.ts';

export function asRecipe(parts: OurParts): ResolvedRecipe {
  const common = { model: 'model', data: { train: 'train.txt' }, train: { max_steps: 1, learning_rate: 1e-4 } };
  const written = recipeSchema.parse({ ...common, ...parts });
  return resolveRecipe(written, { variant: 'as-written', fileName: 'bench.tune.yaml' });
}
