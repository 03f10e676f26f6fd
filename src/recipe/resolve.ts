/**
 * What a run really does: one variant of a recipe, every default written out. Paths stay as written; whoever starts a
 * run maps them to files.
 */
import { applyOverrides } from './overrides.ts';
import { defaultSteps } from './rules.ts';
import type { Recipe, ResolvedRecipe, VariantName } from './schema.ts';
import { methodOf } from './variantParts.ts';

export { RecipeError } from './problem.ts';

export interface ResolveOptions {
  variant: VariantName;
  /** Of the recipe; names the run where the recipe has no name. */
  fileName: string;
  /** `key.path=value`, as if the file said so. */
  overrides?: readonly string[];
  name?: string;
}

export function resolveRecipe(
  written: Recipe,
  { variant, fileName, overrides = [], name }: ResolveOptions,
): ResolvedRecipe {
  const { sweep: _, ...recipe } = applyOverrides(written, overrides);
  const method = withoutUndefined(methodOf(recipe, variant));
  return withoutUndefined({
    ...recipe,
    name: name ?? recipe.name ?? nameOfFile(fileName),
    variant,
    data: { train: recipe.data.train, eval: evalFiles(recipe) },
    retain: { base: recipe.model, probes: {}, prompts: [], ...withoutUndefined(recipe.retain ?? {}) },
    method,
    train: resolveTrain(recipe, method),
  });
}

/** Every path the resolved recipe names, once: data, probes, model and base. */
export function recipePaths({ model, retain, data, method }: ResolvedRecipe): string[] {
  const probes = Object.values(retain.probes).map(({ file }) => file);
  const replay = method.replay ? [method.replay.data] : [];
  return [...new Set([model, retain.base, data.train, ...Object.values(data.eval), ...probes, ...replay])];
}

/** `train.learning_rate` → "0.001": for tables and for finding what differs. */
export function flattenSettings(recipe: Partial<ResolvedRecipe>): Record<string, string> {
  const settings: Record<string, string> = {};
  const walk = (value: unknown, key: string): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [name, child] of Object.entries(value)) walk(child, key ? `${key}.${name}` : name);
    } else if (value !== undefined) settings[key] = typeof value === 'string' ? value : JSON.stringify(value);
  };
  walk(recipe, '');
  return settings;
}

/** The peak rate that counts stands in `train.learning_rate`, also when narrow brings its own. */
function resolveTrain(recipe: Recipe, method: Recipe['method']): ResolvedRecipe['train'] {
  const { train } = recipe;
  const isOpen = train.max_steps === undefined && train.num_epochs === undefined;
  return withoutUndefined({
    ...train,
    ...(isOpen && { max_steps: defaultSteps }),
    micro_batch_size: train.micro_batch_size ?? train.batch_size,
    learning_rate: method.narrow?.learning_rate ?? train.learning_rate,
  });
}

function evalFiles({ data }: Recipe): Record<string, string> {
  if (data.eval === undefined) return {};
  return typeof data.eval === 'string' ? { eval: data.eval } : data.eval;
}

/** `data/Support Tone.tune.yaml` → `support-tone`. */
export function nameOfFile(fileName: string): string {
  const base = fileName.replaceAll('\\', '/').split('/').at(-1)!;
  const name = base
    .replace(/\.(tune\.)?ya?ml$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40);
  return name || 'recipe';
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, child]) => child !== undefined)) as T;
}
