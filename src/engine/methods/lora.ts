/**
 * LoRA: beside a frozen map W runs a second one of rank r, y = x·Wᵀ + (alpha/r)·(x·Aᵀ)·Bᵀ. A starts random, B at 0, so
 * that the tuned model starts as the base. Names are those of PEFT.
 */
import type { Recipe } from '../../recipe/schema.ts';
import { RandomStream } from '../data/randomStreams.ts';
import { EngineError } from '../engineError.ts';
import { type Shape, size, type Tensor } from '../graph/graph.ts';
import { add } from '../graph/operators/elementwise.ts';
import { matmul } from '../graph/operators/matmul.ts';
import type { Parameters, StateInputs } from '../model/parameters.ts';
import { knownModules, moduleOf, nearest } from './narrow.ts';

export interface LoraAdapter {
  r: number;
  alpha: number;
  /** The maps that carry an adapter, by module name. */
  modules: readonly string[];
}

export const loraA = (module: string): string => `${module}.lora_A.weight`;
export const loraB = (module: string): string => `${module}.lora_B.weight`;

/** `allowed` restricts where adapters may sit; all weights' shapes are (out, in). */
export function planLora(
  settings: NonNullable<Recipe['adapter']>,
  shapes: ReadonlyMap<string, Shape>,
  allowed: readonly string[],
): LoraAdapter {
  const maps = [...shapes].filter(([name, shape]) => shape.length === 2 && name.startsWith('model.layers.'));
  const names = maps.map(([name]) => name);
  for (const target of settings.target_modules) {
    if (!names.some(name => moduleOf(name) === target)) {
      const known = [...new Set(names.map(moduleOf))];
      throw new EngineError('unknown-module', `The model has no linear map "${target}" for an adapter`, {
        remedy: `Did you mean "${nearest(target, known)}"? Known: ${known.join(', ')}.`,
      });
    }
  }
  const targets = new Set(settings.target_modules);
  const chosen = names.filter(name => targets.has(moduleOf(name)) && allowed.includes(name));
  if (chosen.length === 0) {
    throw new EngineError('nothing-trains', 'method.narrow.tune and adapter.target_modules have no map in common', {
      remedy: `Let narrow.tune name one of ${settings.target_modules.join(', ')}, or another of ${knownModules(names).join(', ')}.`,
    });
  }
  return { r: settings.r, alpha: settings.alpha, modules: chosen.map(name => name.replace(/\.weight$/, '')) };
}

export interface LoraTensor {
  name: string;
  shape: Shape;
  initial: Float32Array;
}

/** A is Kaiming-uniform as PEFT makes it: uniform within ±1/√in. */
export function loraTensors(adapter: LoraAdapter, shapes: ReadonlyMap<string, Shape>, seed: number): LoraTensor[] {
  const stream = new RandomStream(seed, 'adapter');
  return adapter.modules.flatMap((module, lane) => {
    const [outWidth, inWidth] = shapes.get(`${module}.weight`) as [number, number];
    const [shapeA, shapeB] = [
      [adapter.r, inWidth],
      [outWidth, adapter.r],
    ] as const;
    const bound = 1 / Math.sqrt(inWidth);
    const a = Float32Array.from({ length: size(shapeA) }, (_, i) => (2 * stream.uniform(i, lane) - 1) * bound);
    return [
      { name: loraA(module), shape: shapeA, initial: a },
      { name: loraB(module), shape: shapeB, initial: new Float32Array(size(shapeB)) },
    ];
  });
}

/** Base parameters with the adapter beside them. */
export class LoraParameters implements Parameters {
  readonly #base: Parameters;
  readonly #inputs: StateInputs;
  readonly #scale: number;
  readonly #modules: ReadonlySet<string>;

  constructor(base: Parameters, inputs: StateInputs, adapter: LoraAdapter) {
    this.#base = base;
    this.#inputs = inputs;
    this.#scale = adapter.alpha / adapter.r;
    this.#modules = new Set(adapter.modules);
  }

  weight(name: string): Tensor {
    return this.#base.weight(name);
  }

  linear(module: string, x: Tensor): Tensor {
    const y = this.#base.linear(module, x);
    if (!this.#modules.has(module)) return y;
    const low = matmul(x, this.#inputs.get(loraA(module)), { transposeB: true });
    return add(y, matmul(low, this.#inputs.get(loraB(module)), { transposeB: true, scale: this.#scale }));
  }
}

/** W + (alpha/r)·B·A, in f64 before rounding to f32. */
export function mergedWeight(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  shape: Shape,
  adapter: LoraAdapter,
): Float32Array {
  const [outWidth, inWidth] = shape as [number, number];
  const { r, alpha } = adapter;
  const merged = new Float32Array(weight.length);
  const row = new Float64Array(inWidth);
  for (let o = 0; o < outWidth; o++) {
    row.fill(0);
    for (let k = 0; k < r; k++) {
      const factor = (b[o * r + k]! * alpha) / r;
      for (let i = 0; i < inWidth; i++) row[i]! += factor * a[k * inWidth + i]!;
    }
    for (let i = 0; i < inWidth; i++) merged[o * inWidth + i] = weight[o * inWidth + i]! + row[i]!;
  }
  return merged;
}
