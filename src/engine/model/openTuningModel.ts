/**
 * Opens a model for tuning: reads or makes its weights, plans what trains as the recipe says, and fills the state
 * store. Knows no data and no schedule.
 */
import { basename } from 'node:path';
import { RandomStream } from '../data/randomStreams.ts';
import { EngineError } from '../engineError.ts';
import { type Shape, size } from '../graph/graph.ts';
import { loraTensors } from '../methods/lora.ts';
import { chooseTeacher, refuseUnreachable } from '../methods/regularize.ts';
import { openRuntime } from '../runtime/chooseRuntime.ts';
import { StateStore } from '../state/stateStore.ts';
import type { FloatDtype } from '../weights/float.ts';
import { ModelWeights } from '../weights/modelFolder.ts';
import { firstMoment, secondMoment } from './adamw.ts';
import { parseModelConfig, readModelConfig } from './modelConfig.ts';
import { isBias, isNorm, parameterShapes } from './parameters.ts';
import { baseName } from './programs.ts';
import { TunedLanguageModel } from './tunedLanguageModel.ts';
import type { OpenFreshModel, OpenTuningModel, TuningModel } from './tuningModel.ts';
import { planTuning, type TuningPlan } from './tuningPlan.ts';

export async function openTuningModel(options: OpenTuningModel): Promise<TuningModel> {
  const { folder, recipe, purpose = 'tune', threads, onProgress } = options;
  const { config, raw } = await readModelConfig(folder);
  const shapes = parameterShapes(config);
  const plan = planTuning(recipe, shapes);
  const { regularize, replay } = recipe.method;
  if (regularize) refuseUnreachable(regularize, replay !== undefined);
  const teacher = regularize ? chooseTeacher(regularize, plan.adapter !== undefined) : undefined;
  const ownBase = teacher?.teacher === 'copy' ? shapes.keys() : plan.adapter ? [] : plan.trained;
  const separateBase = new Set(purpose === 'tune' ? ownBase : []);

  const runtime = options.runtime ?? (await openRuntime(recipe, threads));
  if (options.compiledFolder) runtime.keepCompiled?.(options.compiledFolder);
  const state = new StateStore(runtime);
  const weights = await ModelWeights.open(folder);
  try {
    checkTensors(folder, weights, shapes);
    const trained = new Set(plan.trained);
    let read = 0;
    for (const [name, shape] of shapes) {
      const values = await weights.read(name);
      if (separateBase.has(name)) state.add(baseName(name), 'base', shape, values.slice());
      state.add(name, trained.has(name) ? 'weight' : 'frozen', shape, values);
      read += 1;
      onProgress?.('loading', read / shapes.size);
    }
  } finally {
    await weights.close();
  }
  for (const { name, shape, initial } of plan.adapter ? loraTensors(plan.adapter, shapes, recipe.train.seed) : []) {
    state.add(name, 'weight', shape, initial);
  }
  if (purpose === 'tune') addOptimizerSlots(state, plan);
  const { dtype } = recipe.output;
  return new TunedLanguageModel({
    config,
    runtime,
    state,
    shapes,
    plan,
    separateBase,
    hasBase: true,
    adam: recipe.train,
    regularize,
    recomputes: recipe.train.gradient_checkpointing,
    mergesAdapter: recipe.adapter?.output === 'merged',
    teacher,
    writer: {
      config: raw,
      shapes,
      tokenizerFolder: folder,
      baseName: folder,
      dtypeOf: name => (dtype === 'auto' ? (weights.tensors.get(name)?.dtype ?? weights.dtype) : dtype),
    },
  });
}

export async function openFreshModel(options: OpenFreshModel): Promise<TuningModel> {
  const config = parseModelConfig(options.config);
  const shapes = parameterShapes(config);
  const plan: TuningPlan = { trained: [...shapes.keys()] };
  const runtime = await openRuntime({ runtime: 'onnxruntime' }, options.threads);
  const state = new StateStore(runtime);
  const stream = new RandomStream(options.seed, 'weights');
  let lane = 0;
  for (const [name, shape] of shapes) {
    state.add(name, 'weight', shape, freshValues(name, shape, config.initializerRange, stream, lane));
    lane += 1;
  }
  addOptimizerSlots(state, plan);
  const dtype: FloatDtype = options.dtype ?? 'f32';
  return new TunedLanguageModel({
    config,
    runtime,
    state,
    shapes,
    plan,
    separateBase: new Set(),
    hasBase: false,
    adam: options.train,
    mergesAdapter: false,
    writer: {
      config: options.config,
      shapes,
      tokenizerFolder: options.tokenizerFolder,
      baseName: options.tokenizerFolder ? basename(options.tokenizerFolder) : '',
      dtypeOf: () => dtype,
    },
  });
}

/** Norms start at 1, biases at 0, everything else normal with the configuration's deviation. */
function freshValues(name: string, shape: Shape, deviation: number, stream: RandomStream, lane: number): Float32Array {
  const values = new Float32Array(size(shape));
  if (isBias(name)) return values;
  return isNorm(name) ? values.fill(1) : values.map((_, i) => stream.normal(i, lane) * deviation);
}

function addOptimizerSlots(state: StateStore, plan: TuningPlan): void {
  for (const name of plan.trained) {
    const { shape } = state.get(name);
    for (const slot of [firstMoment(name), secondMoment(name)]) {
      state.add(slot, 'slot', shape, new Float32Array(size(shape)));
    }
  }
}

/** Every tensor the configuration asks for, in its shape; what else the file may hold must be known and harmless. */
function checkTensors(folder: string, weights: ModelWeights, shapes: ReadonlyMap<string, Shape>): void {
  const remedy = 'config.json and the weights do not belong together: download or export the folder again.';
  for (const [name, shape] of shapes) {
    const info = weights.tensors.get(name);
    const found = info ? `has shape [${info.shape}], config.json asks for [${shape}]` : 'is missing';
    if (info?.shape.join() !== shape.join()) {
      throw new EngineError('model-mismatch', `${name} ${found}`, { file: folder, remedy });
    }
  }
  const isHarmless = (name: string) => name === 'lm_head.weight' || name.endsWith('rotary_emb.inv_freq');
  const extra = [...weights.tensors.keys()].find(name => !shapes.has(name) && !isHarmless(name));
  if (extra) {
    throw new EngineError('model-mismatch', `The weights hold ${extra}, which this architecture does not have`, {
      file: folder,
      remedy,
    });
  }
}
