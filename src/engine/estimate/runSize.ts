/**
 * How much memory a run takes at most, told from its graphs before a weight is read: what is held all along, what a
 * training step holds on top, and what the checks before the first step hold. Knows graphs and shapes, no files.
 */
import type { ResolvedRecipe } from '../../recipe/schema.ts';
import { type Graph, type Shape, size } from '../graph/graph.ts';
import { liveParts } from '../graph/live.ts';
import { chooseTeacher } from '../methods/regularize.ts';
import type { ModelConfig } from '../model/modelConfig.ts';
import { parameterShapes } from '../model/parameters.ts';
import { Programs } from '../model/programs.ts';
import { stateShapes } from '../model/stateShapes.ts';
import { planTuning } from '../model/tuningPlan.ts';
import { splitLargeUpdates } from '../runtime/onnxruntime/largeUpdates.ts';
import { arenaBytes } from './arena.ts';
import { type BatchShapes, trainingShapes } from './batchShapes.ts';

export interface SizedRun {
  config: ModelConfig;
  /** Of another model that forgetting is measured against. */
  otherBase?: ModelConfig;
  recipe: ResolvedRecipe;
  batches: BatchShapes;
}

/** Measured with onnxruntime 1.30 and Node 20: the library, its threads and what lies about, and a compiled node. */
const libraryBytes = 130 * 2 ** 20;
const nodeBytes = 12 * 2 ** 10;

/** Bytes beside what the process holds before the model is opened. */
export function runSize({ config, otherBase, recipe, batches }: SizedRun): number {
  const { programs, trained, weightElements } = plannedModel(config, recipe);
  const shapes = trainingShapes(batches);
  const accumulates = batches.steps.some(({ microBatches }) => microBatches.length > 1);
  const isFused = batches.steps.some(({ microBatches }) => microBatches.length === 1);
  const graphs = {
    objective: shapes.map(shape => programs.gradient(shape, 'objective')),
    penalty: recipe.method.regularize ? shapes.map(shape => programs.gradient(shape, 'penalty')) : [],
    step: isFused ? shapes.map(shape => programs.step(shape)) : [],
    scoring: batches.scored.map(shape => programs.divergence(shape)),
  };
  const pools = (graphs: Graph[]): number => graphs.reduce((sum, graph) => sum + arenaBytes(graph), 0);
  const gradients = 4 * elementsOf(trained);
  const large = splitLargeUpdates(graphs.step[0] ?? programs.update()).updates;
  const inBlocks = 4 * large.reduce((sum, { elements }) => sum + elements, 0);
  const scoring = Math.max(0, ...graphs.scoring.map(arenaBytes));

  const weights = 4 * (weightElements + (otherBase ? elementsOf(parameterShapes(otherBase).values()) : 0));
  const nodes = Object.values(graphs)
    .flat()
    .reduce((sum, graph) => sum + liveParts(graph).nodes.length, 0);
  const checking = gradients + pools(graphs.objective) + pools(graphs.penalty);
  // Moments; a gradient in each block, and the weight it was made of until that is collected.
  const optimizer = 2 * gradients + inBlocks + (accumulates ? gradients : inBlocks);
  const stepping = optimizer + (accumulates ? pools(graphs.objective) : 0) + pools(graphs.step) + scoring;
  return libraryBytes + nodes * nodeBytes + weights + Math.max(checking, stepping);
}

/** The model as a recipe tunes it, without its numbers. */
export function plannedModel(config: ModelConfig, recipe: ResolvedRecipe) {
  const shapes = parameterShapes(config);
  const plan = planTuning(recipe, shapes);
  const { regularize } = recipe.method;
  const teacher = regularize && chooseTeacher(regularize, plan.adapter !== undefined).teacher;
  const separateBase = new Set(teacher === 'copy' ? shapes.keys() : plan.adapter ? [] : plan.trained);
  const shapeOf = stateShapes(shapes, plan);
  const programs = new Programs({
    ...{ config, plan, shapeOf, separateBase, regularize },
    adam: recipe.train,
    recomputes: recipe.train.gradient_checkpointing,
    isMerged: () => false,
  });
  const trained = plan.trained.map(shapeOf);
  const weightElements =
    elementsOf(shapes.values()) + elementsOf([...separateBase].map(shapeOf)) + (plan.adapter ? elementsOf(trained) : 0);
  return { programs, trained, weightElements };
}

const elementsOf = (shapes: Iterable<Shape>): number => [...shapes].reduce((sum, shape) => sum + size(shape), 0);
