/**
 * The weights of a Hugging Face folder, in one safetensors file or in shards named by an index. Pickle formats are
 * never opened. Knows nothing of what the tensors mean.
 */
import { access, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EngineError } from '../engineError.ts';
import type { FloatDtype } from './float.ts';
import { SafetensorsFile, type TensorInfo } from './safetensors.ts';

const single = 'model.safetensors';
const index = 'model.safetensors.index.json';

export class ModelWeights {
  readonly folder: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The dtype that holds most of the numbers. */
  readonly dtype: FloatDtype;
  private readonly files: SafetensorsFile[];
  private readonly fileOf: ReadonlyMap<string, SafetensorsFile>;

  private constructor(folder: string, files: SafetensorsFile[]) {
    this.folder = folder;
    this.files = files;
    this.fileOf = new Map(files.flatMap(file => [...file.tensors.keys()].map(name => [name, file] as const)));
    this.tensors = new Map(files.flatMap(file => [...file.tensors]));
    this.dtype = commonDtype([...this.tensors.values()]);
  }

  /** Throws `weights-missing`, `weights-broken` or `weights-pickle`. */
  static async open(folder: string): Promise<ModelWeights> {
    const files: SafetensorsFile[] = [];
    try {
      for (const name of await shardNames(folder)) files.push(await SafetensorsFile.open(join(folder, name)));
      const weights = new ModelWeights(folder, files);
      const count = files.reduce((sum, file) => sum + file.tensors.size, 0);
      if (count === weights.tensors.size) return weights;
      throw new EngineError('weights-broken', `Two shards of ${folder} hold the same tensor`, { file: folder });
    } catch (error) {
      await Promise.all(files.map(file => file.close()));
      throw error;
    }
  }

  /** The tensor widened to f32; refuses NaN and infinity by name. */
  read(name: string): Promise<Float32Array> {
    const file = this.fileOf.get(name);
    if (file) return file.read(name);
    throw new EngineError('weights-broken', `${this.folder} has no tensor ${name}`, {
      file: this.folder,
      remedy: 'config.json and the weights do not belong together: download or export the folder again.',
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.files.map(file => file.close()));
  }
}

async function shardNames(folder: string): Promise<string[]> {
  if (await exists(join(folder, single))) return [single];
  const file = join(folder, index);
  if (!(await exists(file))) throw await noWeights(folder);
  const shards = new Set(Object.values(await readWeightMap(file)));
  for (const name of shards) {
    if (name !== basename(name)) throw brokenIndex(file, `names ${name}, which is not a file beside it`);
    if (!(await exists(join(folder, name)))) throw brokenIndex(file, `names ${name}, which is not there`);
  }
  return [...shards].sort();
}

async function readWeightMap(file: string): Promise<Record<string, string>> {
  try {
    const { weight_map: map } = JSON.parse(await readFile(file, 'utf8')) as { weight_map: Record<string, string> };
    if (Object.values(map).every(name => typeof name === 'string')) return map;
  } catch (cause) {
    throw brokenIndex(file, `cannot be read: ${(cause as Error).message}`);
  }
  throw brokenIndex(file, 'has a weight_map that does not name files');
}

const brokenIndex = (file: string, what: string) =>
  new EngineError('weights-broken', `${file} ${what}`, { file, remedy: 'Download or export the folder again.' });

async function noWeights(folder: string): Promise<EngineError> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const pickle = names.find(name => /^(pytorch_model.*\.bin|.*\.(pt|pth|ckpt|pkl))$/.test(name));
  if (pickle) {
    return new EngineError('weights-pickle', `${join(folder, pickle)} is a pickle, which can run code when opened`, {
      file: join(folder, pickle),
      remedy:
        'Convert it once where you trust it: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder).',
    });
  }
  return new EngineError('weights-missing', `${folder} has neither ${single} nor ${index}`, {
    file: folder,
    remedy: 'Point `model` at a folder in Hugging Face layout: config.json, tokenizer.json and safetensors.',
  });
}

function commonDtype(infos: TensorInfo[]): FloatDtype {
  const bytes = { f32: 0, f16: 0, bf16: 0 };
  for (const { dtype, start, end } of infos) bytes[dtype] += end - start;
  return (Object.keys(bytes) as FloatDtype[]).reduce((best, dtype) => (bytes[dtype] > bytes[best] ? dtype : best));
}

const exists = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );
