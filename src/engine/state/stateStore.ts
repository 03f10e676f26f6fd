/**
 * Weights, optimizer slots, accumulators and method tensors of a run, by name, beside its counters. A checkpoint is a
 * dump of this store, a resume its load. Tensors live with the runtime (`DeviceTensor`); the store knows no graph and
 * no method.
 */
import { EngineError } from '../engineError.ts';
import type { DeviceTensor, Runtime } from '../runtime/runtime.ts';
import { readCounters, readTensors, verifyCheckpoint, writeCheckpoint } from './checkpoint.ts';

/** weight and slot belong to the result; base values come back from the base model and are not dumped. */
export type StateKind = 'weight' | 'slot' | 'accumulator' | 'base' | 'frozen';

export interface StateEntry {
  name: string;
  kind: StateKind;
  shape: readonly number[];
  tensor: DeviceTensor;
}

/** Small values beside the tensors: step, best score, what the run is made of. */
export type Counters = Record<string, number | string | boolean | null | Record<string, string>>;

const dumped: ReadonlySet<StateKind> = new Set(['weight', 'slot']);

export class StateStore {
  /** Written with a dump, replaced by a load. */
  counters: Counters = {};
  /** Updates made so far: the optimizer's bias corrections depend on it. Dumped with the counters. */
  optimizerStep = 0;
  readonly #runtime: Runtime;
  readonly #entries = new Map<string, StateEntry>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Takes ownership of `values`: the runtime may keep and overwrite them. */
  add(name: string, kind: StateKind, shape: readonly number[], values: Float32Array): StateEntry {
    if (this.#entries.has(name)) throw new EngineError('state', `The state tensor ${name} exists already`);
    const entry = { name, kind, shape, tensor: this.#runtime.upload(values, shape) };
    this.#entries.set(name, entry);
    return entry;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  get(name: string): StateEntry {
    const entry = this.#entries.get(name);
    if (!entry) throw new EngineError('state', `There is no state tensor ${name}`);
    return entry;
  }

  entries(kind?: StateKind): StateEntry[] {
    return [...this.#entries.values()].filter(entry => kind === undefined || entry.kind === kind);
  }

  read(name: string): Promise<Float32Array> {
    return this.#runtime.read(this.get(name).tensor);
  }

  write(name: string, values: Float32Array): Promise<void> {
    return this.#runtime.write(this.get(name).tensor, values);
  }

  remove(name: string): void {
    this.#runtime.free(this.get(name).tensor);
    this.#entries.delete(name);
  }

  /** Bytes held on the runtime's device. */
  get bytes(): number {
    return this.entries().reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
  }

  /** Writes a checkpoint folder: all or nothing, every file with its sha256. The folder must not exist yet. */
  async dump(folder: string): Promise<{ bytes: number }> {
    const entries = this.entries().filter(entry => dumped.has(entry.kind));
    return writeCheckpoint(folder, {
      tensors: entries,
      read: name => this.read(name),
      counters: { ...this.counters, optimizerStep: this.optimizerStep },
    });
  }

  /**
   * Verifies the folder, lets `check` refuse its counters, then refuses one that does not hold exactly this store's
   * tensors.
   */
  async load(folder: string, check: (counters: Counters) => void = () => {}): Promise<void> {
    await verifyCheckpoint(folder);
    const counters = await readCounters(folder);
    check(counters);
    const tensors = await readTensors(folder);
    const expected = this.entries().filter(entry => dumped.has(entry.kind));
    for (const { name, shape } of expected) {
      const found = tensors.get(name);
      if (!found || found.shape.join() !== shape.join()) {
        const what = found ? `has shape [${found.shape}] instead of [${shape}]` : 'is missing';
        throw new EngineError('checkpoint-mismatch', `${name} ${what} in the checkpoint ${folder}`, {
          file: folder,
          remedy: 'Resume with the recipe that the checkpoint was written by.',
        });
      }
    }
    if (tensors.size !== expected.length) {
      const known = new Set(expected.map(entry => entry.name));
      const extra = [...tensors.keys()].find(name => !known.has(name));
      throw new EngineError(
        'checkpoint-mismatch',
        `The checkpoint ${folder} holds ${extra}, which this run does not have`,
        {
          file: folder,
          remedy: 'Resume with the recipe that the checkpoint was written by.',
        },
      );
    }
    for (const { name } of expected) await this.write(name, tensors.get(name)!.values);
    const { optimizerStep, ...others } = counters;
    this.optimizerStep = Number(optimizerStep ?? 0);
    this.counters = others;
  }
}
