/**
 * What trains and what is compared with: the recipe's adapter and narrow sections applied to a model's tensor names.
 * Knows names and shapes, no values.
 */
import type { ResolvedRecipe } from '../../recipe/schema.ts';
import type { Shape } from '../graph/graph.ts';
import { type LoraAdapter, loraA, loraB, planLora } from '../methods/lora.ts';
import { narrowedNames } from '../methods/narrow.ts';

export interface TuningPlan {
  /** State names of what trains: weights of the model, or of an adapter. */
  trained: readonly string[];
  adapter?: LoraAdapter;
}

export function planTuning(
  recipe: Pick<ResolvedRecipe, 'adapter' | 'method'>,
  shapes: ReadonlyMap<string, Shape>,
): TuningPlan {
  const names = [...shapes.keys()];
  const { narrow } = recipe.method;
  const allowed = narrow ? narrowedNames(names, narrow.tune) : names;
  if (!recipe.adapter) return { trained: allowed };
  const adapter = planLora(recipe.adapter, shapes, allowed);
  return { trained: adapter.modules.flatMap(module => [loraA(module), loraB(module)]), adapter };
}
