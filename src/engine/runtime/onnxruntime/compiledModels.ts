/**
 * Models as onnxruntime has compiled them, kept on disk: to open one takes a quarter of the time. A file is named by all
 * that decides it and begins with its hash; one that does not verify is compiled anew, and so is what cannot be kept.
 * Knows no graphs. The folder is the user's: a project never writes into it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, utimes } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type * as Ort from 'onnxruntime-node';
import { removeOldest } from '../../../runs/cacheFolder.ts';
import { openChecked } from '../../../runs/safeFile.ts';
import { writeAtomic } from '../../atomicFile.ts';

type Options = Ort.InferenceSession.SessionOptions;

/** Of all files together; the longest unused go first. */
const mostBytes = 512 * 2 ** 20;
/** What is smaller is compiled in the time it takes to look for it. */
const leastBytes = 16 * 2 ** 10;
const hashBytes = 32;

export class CompiledModels {
  readonly #folder: string;
  readonly #ort: typeof Ort;
  readonly #mostBytes: number;

  constructor(folder: string, ort: typeof Ort, limit = mostBytes) {
    this.#folder = folder;
    this.#ort = ort;
    this.#mostBytes = limit;
  }

  async open(model: Uint8Array, options: Options): Promise<Ort.InferenceSession> {
    if (model.length < leastBytes) return this.#ort.InferenceSession.create(model, options);
    const key = this.#keyOf(model, options);
    const known = await this.#read(key);
    if (known) {
      // A hash that is right was written here: what does not open all the same is left to the compiler.
      const session = await this.#ort.InferenceSession.create(known, options).catch(() => undefined);
      if (session) return session;
    }
    return this.#compile(key, model, options);
  }

  async #compile(key: string, model: Uint8Array, options: Options): Promise<Ort.InferenceSession> {
    const draft = join(this.#folder, `${key}.${randomBytes(4).toString('hex')}.draft`);
    const { extra = {} } = options;
    const session = { ...(extra.session as Record<string, unknown>), save_model_format: 'ORT' };
    const keeping = { ...options, optimizedModelFilePath: draft, extra: { ...extra, session } };
    try {
      await mkdir(this.#folder, { recursive: true });
      const opened = await this.#ort.InferenceSession.create(model, keeping);
      await this.#keep(key, draft).catch(() => {});
      return opened;
    } catch {
      return this.#ort.InferenceSession.create(model, options);
    } finally {
      await rm(draft, { force: true }).catch(() => {});
    }
  }

  async #keep(key: string, draft: string): Promise<void> {
    const body = await readFile(draft);
    await rm(draft);
    await writeAtomic(this.#file(key), Buffer.concat([hashOf(key, body), body]));
    await removeOldest(this.#folder, this.#mostBytes);
  }

  async #read(key: string): Promise<Uint8Array | undefined> {
    try {
      const handle = await openChecked(this.#file(key));
      if (!handle) return undefined;
      const bytes = await handle.readFile().finally(() => handle.close());
      const body = bytes.subarray(hashBytes);
      if (!hashOf(key, body).equals(bytes.subarray(0, hashBytes))) return undefined;
      const now = new Date();
      await utimes(this.#file(key), now, now).catch(() => {});
      return body;
    } catch {
      return undefined;
    }
  }

  #keyOf(model: Uint8Array, options: Options): string {
    const { common, node } = this.#ort.env.versions;
    const { platform, arch } = process;
    const all = { common, node, platform, arch, processor: processorFeatures(), options };
    return createHash('sha256').update(JSON.stringify(all)).update(model).digest('hex');
  }

  #file(key: string): string {
    return join(this.#folder, `${key}.ort`);
  }
}

/** Of the name as well: a file under another's name is not it. */
const hashOf = (key: string, body: Uint8Array): Buffer => createHash('sha256').update(key).update(body).digest();

/** What onnxruntime looks at when it chooses layouts and kernels: on Linux the flags, elsewhere the processor's name. */
function processorFeatures(): string {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8');
    const flags = /^(flags|Features)\s*:.*$/m.exec(text)?.[0];
    if (flags) return flags;
  } catch {
    // No Linux.
  }
  return cpus()[0]?.model ?? '';
}
