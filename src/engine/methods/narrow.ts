/**
 * Narrow tuning: which tensors of the model train. Attention alone and gate-and-up alone are described in
 * arXiv 2510.08564. Knows names of tensors, nothing of their values.
 */
import type { Recipe } from '../../recipe/schema.ts';
import { EngineError } from '../engineError.ts';

export type TuneEntry = NonNullable<Recipe['method']['narrow']>['tune'][number];

const groups: Record<string, readonly string[]> = {
  attention: ['q_proj', 'k_proj', 'v_proj', 'o_proj'],
  mlp: ['gate_proj', 'up_proj', 'down_proj'],
};

/** The tensors that one of the entries names, in the model's order. */
export function narrowedNames(names: readonly string[], entries: readonly TuneEntry[]): string[] {
  const predicates = entries.map(entry => predicateOf(names, entry));
  return names.filter(name => predicates.some(chosen => chosen(name)));
}

function predicateOf(names: readonly string[], entry: TuneEntry): (name: string) => boolean {
  if (typeof entry !== 'string') return lastLayers(names, entry.last_layers);
  const modules = new Set(groups[entry] ?? [entry]);
  const isChosen = (name: string) =>
    modules.has(moduleOf(name)) || name === entry || name === `${entry}.weight` || isTiedHead(names, name, entry);
  if (names.some(isChosen)) return isChosen;
  throw new EngineError('unknown-module', `The model has no module "${entry}"`, {
    remedy: `Did you mean "${nearest(entry, knownModules(names))}"? Known: ${knownModules(names).join(', ')}.`,
  });
}

/** With a tied head, embeddings and head are one tensor: naming either means both. */
const isTiedHead = (names: readonly string[], name: string, entry: string) =>
  entry === 'lm_head' && !names.includes('lm_head.weight') && moduleOf(name) === 'embed_tokens';

function lastLayers(names: readonly string[], count: number): (name: string) => boolean {
  const layers = 1 + Math.max(...names.map(layerOf));
  if (count > layers) {
    throw new EngineError('unknown-module', `narrow.tune asks for the last ${count} layers; the model has ${layers}`, {
      remedy: `Give last_layers at most ${layers}.`,
    });
  }
  return name => layerOf(name) >= layers - count;
}

/** −1 for tensors outside the layers. */
const layerOf = (name: string): number => Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? -1);

/** The last part of a tensor's name before `.weight`: q_proj, input_layernorm, embed_tokens … */
export const moduleOf = (name: string): string => name.split('.').at(-2) ?? name;

export function knownModules(names: readonly string[]): string[] {
  return [...Object.keys(groups), ...new Set(names.map(moduleOf))];
}

export function nearest(word: string, known: readonly string[]): string {
  const distances = known.map(candidate => editDistance(word, candidate));
  return known[distances.indexOf(Math.min(...distances))] ?? '';
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1)!;
}
