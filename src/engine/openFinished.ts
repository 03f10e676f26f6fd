/**
 * Opens a finished model beside the base it is compared with: a model folder, or a PEFT adapter folder that sits on the
 * base. Nothing of it will be trained.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StartCommand } from '../protocol/trainer.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { EngineError } from './engineError.ts';
import { modelPair } from './evaluate/modelPair.ts';
import { openTuningModel } from './model/openTuningModel.ts';
import type { TuningModel } from './model/tuningModel.ts';
import { compiledFolder, type OpenedModels, openModels } from './openRun.ts';
import type { Observer } from './trainer.ts';
import { SafetensorsFile } from './weights/safetensors.ts';

const configFile = 'adapter_config.json';
const weightsFile = 'adapter_model.safetensors';

export async function openFinished(
  start: StartCommand,
  modelFolder: string,
  baseFolder: string,
  observer: Observer,
): Promise<OpenedModels> {
  const untouched: StartCommand = { ...start, recipe: { ...start.recipe, adapter: undefined, method: {} } };
  const adapter = await readAdapterConfig(modelFolder);
  if (!adapter) return openModels(untouched, modelFolder, baseFolder, observer);
  if (modelFolder === baseFolder) {
    throw new EngineError('base-missing', 'An adapter folder is no model of its own', {
      file: modelFolder,
      remedy: 'Name the model it was trained on as the base.',
    });
  }
  const recipe = { ...untouched.recipe, adapter };
  const model = await openTuningModel({
    ...{ folder: baseFolder, recipe, purpose: 'score', threads: start.threads },
    compiledFolder: compiledFolder(start),
  });
  try {
    await loadAdapter(modelFolder, model);
    return { model, pair: modelPair(model), close: () => model.close() };
  } catch (error) {
    await model.close();
    throw error;
  }
}

/** Null where the folder holds no adapter. */
async function readAdapterConfig(folder: string): Promise<NonNullable<ResolvedRecipe['adapter']> | null> {
  const file = join(folder, configFile);
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return null;
  const config = parseObject(text, file);
  const { peft_type, r, lora_alpha, target_modules, use_rslora, use_dora, bias = 'none', fan_in_fan_out } = config;
  const isPlain = peft_type === 'LORA' && !use_rslora && !use_dora && !fan_in_fan_out && bias === 'none';
  const isComplete = typeof r === 'number' && typeof lora_alpha === 'number' && Array.isArray(target_modules);
  if (!isPlain || !isComplete) {
    throw new EngineError('adapter-unsupported', 'Only plain LoRA adapters can be read', {
      file,
      remedy: 'Merge the adapter into its base with PEFT (merge_and_unload) and name that folder.',
    });
  }
  // Names may be whole paths; adapters beyond those in the file stay at zero.
  const modules = [...new Set(target_modules.map(name => String(name).split('.').at(-1)!))];
  return { type: 'lora', r, alpha: lora_alpha, target_modules: modules, output: 'adapter' };
}

async function loadAdapter(folder: string, model: TuningModel): Promise<void> {
  const file = await SafetensorsFile.open(join(folder, weightsFile));
  try {
    for (const [name, { shape }] of file.tensors) {
      const own = name.replace(/^base_model\.model\./, '');
      const expected = model.state.has(own) ? model.state.get(own).shape : null;
      if (expected?.join() !== shape.join()) {
        throw new EngineError('adapter-mismatch', `The adapter's ${name} [${shape}] does not fit the base`, {
          file: file.file,
          remedy: 'Name the model it was trained on as the base.',
        });
      }
      await model.state.write(own, await file.read(name));
    }
  } finally {
    await file.close();
  }
}

function parseObject(text: string, file: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new EngineError('adapter-unsupported', `Not valid JSON: ${(cause as Error).message}`, { file, cause });
  }
}
