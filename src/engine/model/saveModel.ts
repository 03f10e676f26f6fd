/**
 * Writes what transformers and PEFT load as it is: a model folder, or an adapter folder. Knows formats and file names,
 * nothing of training.
 */
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../atomicFile.ts';
import type { Shape } from '../graph/graph.ts';
import { type LoraAdapter, loraA, loraB } from '../methods/lora.ts';
import { moduleOf } from '../methods/narrow.ts';
import { writeFolderAtomically } from '../weights/files.ts';
import type { FloatDtype } from '../weights/float.ts';
import { writeSafetensors } from '../weights/safetensors.ts';

/** What is known when the model is opened. */
export interface ModelWriter {
  /** config.json as it was read. */
  config: Record<string, unknown>;
  shapes: ReadonlyMap<string, Shape>;
  dtypeOf(name: string): FloatDtype;
  /** Where tokenizer files are copied from. */
  tokenizerFolder?: string;
  /** Named in an adapter as what it belongs to. */
  baseName: string;
}

interface Written {
  read: (name: string) => Promise<Float32Array>;
  /** Stands in holdfast.json. */
  info: Record<string, unknown>;
}

const infoFile = 'holdfast.json';
const dtypeNames: Record<FloatDtype, string> = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' };
const tokenizerFiles =
  /^(tokenizer\.json|tokenizer\.model|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|vocab\.json|merges\.txt|chat_template\.jinja|generation_config\.json)$/;

export function writeModel(folder: string, writer: ModelWriter, { read, info }: Written): Promise<{ bytes: number }> {
  return writeFolderAtomically(folder, async temporary => {
    const tensors = [...writer.shapes].map(([name, shape]) => ({
      name,
      shape: [...shape],
      dtype: writer.dtypeOf(name),
    }));
    const bytes = await writeSafetensors(join(temporary, 'model.safetensors'), tensors, read);
    const { torch_dtype: _, ...config } = writer.config;
    await writeJson(join(temporary, 'config.json'), { ...config, dtype: dtypeNames[tensors[0]!.dtype] });
    if (writer.tokenizerFolder) await copyTokenizer(writer.tokenizerFolder, temporary);
    await writeJson(join(temporary, infoFile), info);
    return { bytes };
  });
}

export function writeAdapter(
  folder: string,
  writer: ModelWriter,
  { adapter, read, info }: Written & { adapter: LoraAdapter },
): Promise<{ bytes: number }> {
  return writeFolderAtomically(folder, async temporary => {
    const stateNames = new Map<string, string>();
    const tensors = adapter.modules.flatMap(module => {
      const [outWidth, inWidth] = writer.shapes.get(`${module}.weight`) as [number, number];
      return [
        { stateName: loraA(module), shape: [adapter.r, inWidth] },
        { stateName: loraB(module), shape: [outWidth, adapter.r] },
      ].map(({ stateName, shape }) => {
        const name = `base_model.model.${stateName}`;
        stateNames.set(name, stateName);
        return { name, shape, dtype: writer.dtypeOf(stateName) };
      });
    });
    const file = join(temporary, 'adapter_model.safetensors');
    const bytes = await writeSafetensors(file, tensors, name => read(stateNames.get(name)!));
    await writeJson(join(temporary, 'adapter_config.json'), adapterConfig(writer, adapter));
    if (writer.tokenizerFolder) await copyTokenizer(writer.tokenizerFolder, temporary);
    await writeJson(join(temporary, infoFile), info);
    return { bytes };
  });
}

function adapterConfig({ baseName, shapes }: ModelWriter, { r, alpha, modules }: LoraAdapter) {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseName,
    r,
    lora_alpha: alpha,
    lora_dropout: 0,
    target_modules: targetModules([...shapes.keys()], modules),
    bias: 'none',
    fan_in_fan_out: false,
    use_rslora: false,
    inference_mode: true,
  };
}

/** Short names where every layer's map carries an adapter, whole names otherwise. */
function targetModules(names: readonly string[], modules: readonly string[]): string[] {
  const short = [...new Set(modules.map(module => moduleOf(`${module}.weight`)))];
  const isEverywhere = names.filter(name => short.includes(moduleOf(name))).length === modules.length;
  return isEverywhere ? short : [...modules];
}

async function copyTokenizer(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    if (tokenizerFiles.test(name)) await copyFile(join(from, name), join(to, name));
  }
}

const writeJson = (file: string, value: unknown) => writeAtomic(file, `${JSON.stringify(value, null, 2)}\n`);
