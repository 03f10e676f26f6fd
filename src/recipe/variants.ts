/** The ways to run one recipe, and the arms of a comparison. Knows nothing of files. */
import { applyOverrides } from './overrides.ts';
import { type ResolveOptions, resolveRecipe } from './resolve.ts';
import { type Recipe, type ResolvedRecipe, type VariantName, variantNames } from './schema.ts';
import { lackOf } from './variantParts.ts';

export interface Availability {
  name: VariantName;
  available: boolean;
  /** Why not, short enough for a lens: "needs data". */
  reason?: string;
  remedy?: string;
}

export function availableVariants(recipe: Recipe): Availability[] {
  return variantNames.map(name => {
    const lack = lackOf(recipe, name);
    return lack ? { name, available: false, ...lack } : { name, available: true };
  });
}

/** The label of the strong baseline: plain tuning at a third of the learning rate. Safe in ids and file names. */
const thirdRateLabel = 'plain-third-rate';

/**
 * Plain, each single part that can run, plain at a third of the rate, and the file as written where it is none of
 * these. `only` picks by label.
 */
export function comparisonArms(
  writtenRecipe: Recipe,
  options: Omit<ResolveOptions, 'variant'> & { only?: readonly string[] },
): ResolvedRecipe[] {
  const { only, overrides = [], ...rest } = options;
  const recipe = applyOverrides(writtenRecipe, overrides);
  const arm = (variant: VariantName): ResolvedRecipe => resolveRecipe(recipe, { ...rest, variant });
  const names = availableVariants(recipe).filter(({ available }) => available);
  const arms = names.filter(({ name }) => name !== 'as-written').map(({ name }) => arm(name));
  const plain = arms[0]!;
  const train = { ...plain.train, learning_rate: aThird(plain.train.learning_rate) };
  arms.splice(1, 0, { ...plain, variant: thirdRateLabel, train });
  const written = arm('as-written');
  if (!arms.some(other => isSameRun(other, written))) arms.push(written);
  return only ? arms.filter(({ variant }) => only.includes(variant)) : arms;
}

/** In as many digits as people read. */
const aThird = (rate: number): number => Number((rate / 3).toPrecision(4));

const isSameRun = (a: ResolvedRecipe, b: ResolvedRecipe): boolean =>
  JSON.stringify({ ...a, variant: '' }) === JSON.stringify({ ...b, variant: '' });
