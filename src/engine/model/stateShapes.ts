/** The shapes of all state tensors of a run by name, known before any of them is made. */
import type { Shape } from '../graph/graph.ts';
import { loraA, loraB } from '../methods/lora.ts';
import { firstMoment, secondMoment } from './adamw.ts';
import { shapeOf } from './parameters.ts';
import { accumulator, baseName } from './programs.ts';
import type { TuningPlan } from './tuningPlan.ts';

export function stateShapes(shapes: ReadonlyMap<string, Shape>, plan: TuningPlan): (name: string) => Shape {
  const known = new Map(shapes);
  for (const [name, shape] of shapes) known.set(baseName(name), shape);
  for (const module of plan.adapter?.modules ?? []) {
    const [outWidth, inWidth] = shapeOf(shapes, `${module}.weight`) as [number, number];
    known.set(loraA(module), [plan.adapter!.r, inWidth]);
    known.set(loraB(module), [outWidth, plan.adapter!.r]);
  }
  for (const name of plan.trained) {
    for (const slot of [firstMoment, secondMoment, accumulator]) known.set(slot(name), known.get(name)!);
  }
  return name => shapeOf(known, name);
}
