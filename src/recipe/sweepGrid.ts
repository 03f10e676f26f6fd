/** The combinations of a sweep: every value of every key with every other, the last key fastest. */
import { setKey } from './keyValues.ts';
import type { Recipe } from './schema.ts';

export const mostArms = 100;

export type Sweep = NonNullable<Recipe['sweep']>;

export interface Combination {
  /** Which value of each key. */
  places: Record<string, number>;
  /** What differs, as short as it tells the arms apart: "weight=0.3 seed=2". */
  label: string;
  /** The recipe with these values and without the sweep; unchecked. */
  recipe: Record<string, unknown>;
}

export const armCount = (sweep: Sweep): number =>
  Object.values(sweep).reduce((count, values) => count * values.length, 1);

export function combinations({ sweep = {}, ...rest }: Recipe): Combination[] {
  const names = shortNames(Object.keys(sweep));
  let grid: Record<string, number>[] = [{}];
  for (const [key, values] of Object.entries(sweep)) {
    grid = grid.flatMap(places => values.map((_, place) => ({ ...places, [key]: place })));
  }
  return grid.map(places => {
    const recipe: Record<string, unknown> = structuredClone(rest);
    const words = Object.entries(places).map(([key, place]) => {
      setKey(recipe, key, sweep[key]![place]);
      return `${names.get(key)}=${valueWord(sweep[key]![place])}`;
    });
    return { places, label: words.join(' '), recipe };
  });
}

/** `train.learning_rate` is `learning_rate` unless another key of the sweep ends alike. */
function shortNames(keys: string[]): Map<string, string> {
  const short = (key: string, parts: number): string => key.split('.').slice(-parts).join('.');
  const nameOf = (key: string): string => {
    for (let parts = 1; ; parts++) {
      const name = short(key, parts);
      if (name === key || !keys.some(other => other !== key && short(other, parts) === name)) return name;
    }
  };
  return new Map(keys.map(key => [key, nameOf(key)]));
}

function valueWord(value: unknown): string {
  if (value === null) return 'none';
  if (Array.isArray(value)) return value.map(valueWord).join('+');
  if (typeof value !== 'object') return String(value);
  return Object.entries(value as object)
    .map(([key, child]) => `${key}:${valueWord(child)}`)
    .join('+');
}
