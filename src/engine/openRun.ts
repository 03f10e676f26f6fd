/**
 * Opens what a run needs, in order: data, model, base, evaluator; says what was prepared. Whoever opens a run closes it.
 */
import { join } from 'node:path';
import type { PreparedEvent, StartCommand, TrainerEvent } from '../protocol/trainer.ts';
import { autoSet } from '../recipe/autoSet.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import type { WhenThereIsRoom } from './data/ints.ts';
import { EngineError } from './engineError.ts';
import { environment } from './environment.ts';
import { computedEstimate, estimateMemory, type MemoryEstimate, refuseTooLarge } from './estimate/estimateRun.ts';
import { type EvaluatedSet, Evaluator } from './evaluate/evaluator.ts';
import { digest, type Fingerprints, fingerprintRun } from './evaluate/fingerprints.ts';
import { type ModelPair, modelPair } from './evaluate/modelPair.ts';
import { readModelConfig } from './model/modelConfig.ts';
import { openTuningModel } from './model/openTuningModel.ts';
import type { TuningModel } from './model/tuningModel.ts';
import { withBaseTexts } from './openBaseTexts.ts';
import { type PreparedRun, pathOf, prepareRun } from './prepare.ts';
import { type RunIdentity, runIdentity } from './runIdentity.ts';
import { checkVocabulary, loadTokenizer, type Tokenizer } from './tokenizer/tokenizer.ts';

export interface OpenedRun extends PreparedRun {
  model: TuningModel;
  modelFolder: string;
  pair: ModelPair;
  evaluator: Evaluator;
  fingerprints: Fingerprints;
  /** What a resumed run must share with its beginning. */
  identity: RunIdentity;
  /** Of a trial: how long the base will write before the first step; 0 where it need not. */
  secondsToWrite: number;
  memory: MemoryEstimate;
  close(): Promise<void>;
}

type Observer = (event: TrainerEvent) => void;

/** `trial`: nothing will be trained, so what takes long and is needed for results alone is left out. */
export async function openRun(
  start: StartCommand,
  observer: Observer,
  { trial = false, whenThereIsRoom }: { trial?: boolean; whenThereIsRoom?: WhenThereIsRoom } = {},
): Promise<OpenedRun> {
  const { recipe } = start;
  const modelFolder = pathOf(start, recipe.model);
  const baseFolder = pathOf(start, recipe.retain.base);
  observer({ type: 'progress', phase: 'reading data', fraction: 0 });
  const onProgress = (phase: string, fraction: number): void => observer({ type: 'progress', phase, fraction });
  const files = await prepareRun(start, { onProgress, whenThereIsRoom });

  await refuseOtherTokenizer(files.tokenizer, modelFolder, baseFolder);
  const { config } = await readModelConfig(modelFolder);
  checkFits(config, files.tokenizer, modelFolder, recipe.train.max_length);
  const memory = await estimateMemory(start, files);
  refuseTooLarge(memory);
  if (trial) observer(await computedEstimate(start, memory, files));
  const models = await openModels(start, modelFolder, baseFolder, observer);
  try {
    const { model, pair } = models;
    const ofFiles = await fingerprintRun({
      modelFolder,
      baseFolder,
      tokenizer: files.tokenizer,
      data: files.dataHashes,
      sets: files.sets,
      maxLength: recipe.train.max_length,
      runtime: model.runtime,
    });
    const judged = { ...files, modelFolder, baseFolder, pair, fingerprints: ofFiles };
    const { fingerprints, secondsToWrite, ...watching } = await withBaseTexts(start, judged, observer, { trial });
    const prepared = { ...files, ...watching };
    observer(preparedEvent(start, prepared, model, fingerprints, memory.bytes));
    const identity = runIdentity(start, fingerprints, model.runtime);
    const evaluator = evaluatorOf(start, { ...prepared, pair, fingerprints, identity }, observer);
    return {
      ...prepared,
      model,
      modelFolder,
      pair,
      evaluator,
      fingerprints,
      identity,
      secondsToWrite,
      memory,
      close: models.close,
    };
  } catch (error) {
    await models.close();
    throw error;
  }
}

export const compiledFolder = ({ outputs }: StartCommand): string => join(outputs.cache, 'compiled');

export interface OpenedModels {
  model: TuningModel;
  pair: ModelPair;
  close(): Promise<void>;
}

/** A second model is opened only where forgetting is measured against another base. */
export async function openModels(
  start: StartCommand,
  modelFolder: string,
  baseFolder: string,
  observer: Observer,
): Promise<OpenedModels> {
  const { recipe, threads } = start;
  const onProgress = (phase: string, fraction: number): void => observer({ type: 'progress', phase, fraction });
  const model = await openTuningModel({
    folder: modelFolder,
    recipe,
    threads,
    compiledFolder: compiledFolder(start),
    onProgress,
  });
  if (baseFolder === modelFolder) return { model, pair: modelPair(model), close: () => model.close() };
  try {
    const plain = { ...recipe, adapter: undefined, method: {} };
    const common = { threads, compiledFolder: compiledFolder(start), onProgress };
    const base = await openTuningModel({ folder: baseFolder, recipe: plain, purpose: 'score', ...common });
    if (base.vocabularySize !== model.vocabularySize) {
      await base.close();
      throw new EngineError(
        'base-mismatch',
        `The base has ${base.vocabularySize} tokens, the model ${model.vocabularySize}`,
        {
          file: baseFolder,
          remedy: 'Choose a base of the same family in retain.base.',
        },
      );
    }
    const close = async (): Promise<void> => {
      await Promise.all([model.close(), base.close()]);
    };
    return { model, pair: modelPair(model, base), close };
  } catch (error) {
    await model.close();
    throw error;
  }
}

export async function refuseOtherTokenizer(
  tokenizer: Tokenizer,
  modelFolder: string,
  baseFolder: string,
): Promise<void> {
  if (baseFolder === modelFolder || (await loadTokenizer(baseFolder)).fingerprint === tokenizer.fingerprint) return;
  throw new EngineError('base-mismatch', 'Model and base have different tokenizers: their losses cannot be compared', {
    file: baseFolder,
    remedy: 'Choose the base this model was tuned from.',
  });
}

export function checkFits(
  { vocabularySize, maxPositions }: Pick<TuningModel, 'vocabularySize' | 'maxPositions'>,
  tokenizer: Tokenizer,
  folder: string,
  maxLength: number,
): void {
  checkVocabulary(tokenizer, vocabularySize, folder);
  if (maxLength <= maxPositions) return;
  throw new EngineError('recipe-invalid', `train.max_length is ${maxLength}, the model takes ${maxPositions} tokens`, {
    remedy: `Set train.max_length to ${maxPositions} or less.`,
  });
}

export function evaluatorOf(
  { recipe, outputs }: StartCommand,
  run: Pick<OpenedRun, 'pair' | 'sets' | 'trainSample' | 'fingerprints'> & Partial<Pick<OpenedRun, 'identity'>>,
  observer: Observer,
): Evaluator {
  return new Evaluator({
    pair: run.pair,
    sets: run.sets,
    trainSample: run.trainSample,
    maxLength: recipe.train.max_length,
    itemsInRun: recipe.evaluate.items,
    seed: recipe.train.seed,
    cacheFolder: outputs.cache,
    cacheKey: run.fingerprints.cacheKey,
    untouchedKey: run.identity && digest([run.fingerprints.cacheKey, run.identity]),
    itemsFolder: outputs.items,
    onProgress: (phase, fraction) => observer({ type: 'progress', phase, fraction }),
  });
}

function preparedEvent(
  { recipe, threads }: StartCommand,
  prepared: PreparedRun,
  model: TuningModel,
  fingerprints: Fingerprints,
  memoryEstimateBytes: number,
): PreparedEvent {
  const { warnings, steps } = prepared;
  const { teacher } = model;
  return {
    type: 'prepared',
    fingerprints,
    runtime: model.runtime,
    parameters: model.parameters,
    trainedParameters: model.trainedParameters,
    trainedShare: model.trainedParameters / model.parameters,
    trained: describeTrained(model, recipe.adapter !== undefined),
    steps,
    memoryEstimateBytes,
    ...countsOf(prepared, recipe.retain),
    environment: { ...environment(threads), ...(teacher && { teacher: `${teacher.teacher}: ${teacher.reason}` }) },
    warnings,
  };
}

/** How much there is of everything. */
export function countsOf(
  { sets, trainRows, replayRows, droppedRows }: PreparedRun,
  { auto }: ResolvedRecipe['retain'],
): Pick<PreparedEvent, 'data' | 'probes'> {
  const isProbe = ({ kind }: EvaluatedSet): boolean => kind !== 'learning';
  const evals = sets.filter(set => !isProbe(set));
  return {
    data: {
      trainRows,
      replayRows,
      droppedRows,
      evalRows: Object.fromEntries(evals.map(({ name, items }) => [name, items.length])),
    },
    probes: {
      // Also where the base has yet to write it.
      ...(auto && { [autoSet]: { kind: 'text', items: auto.items, replayed: false } }),
      ...Object.fromEntries(
        sets.filter(isProbe).map(({ name, kind, items, replayed }) => {
          return [name, { kind: kind as Exclude<typeof kind, 'learning'>, items: items.length, replayed }];
        }),
      ),
    },
  };
}

/** "gate_proj, up_proj (8 tensors)". */
function describeTrained({ trainedNames, trainedParameters, parameters }: TuningModel, isAdapter: boolean): string {
  const tensors = `(${trainedNames.length} tensors)`;
  if (trainedParameters === parameters) return `everything ${tensors}`;
  const modules = trainedNames.map(
    name =>
      name
        .split('.')
        .filter(part => !/^(weight|default|lora_[AB])$/.test(part))
        .at(-1)!,
  );
  return `${isAdapter ? 'LoRA on ' : ''}${[...new Set(modules)].join(', ')} ${tensors}`;
}
