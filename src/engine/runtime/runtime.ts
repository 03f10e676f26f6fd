/**
 * What lowers a graph and runs it. Knows nothing of models, methods or files. State tensors stay with the runtime as
 * opaque handles; a program replaces the ones its graph updates, in place where that is safe.
 */
import type { Cost } from '../graph/cost.ts';
import type { Graph } from '../graph/graph.ts';

/** A tensor on the runtime's device. Only the runtime that made it can use it. */
export interface DeviceTensor {
  readonly shape: readonly number[];
}

export type BatchValues = Record<string, Int32Array | Float32Array>;
export type ScalarValues = Record<string, number>;

export interface Program {
  /** Of one run: FLOPs, bytes moved, peak of intermediate tensors. */
  readonly cost: Cost;
  /** Reads and updates `state` by name; returns the graph's named outputs. */
  run(
    state: (name: string) => DeviceTensor,
    batch: BatchValues,
    scalars: ScalarValues,
  ): Promise<Record<string, Float32Array>>;
  close(): Promise<void>;
}

export interface Runtime {
  readonly name: string;
  readonly provider: string;
  /** Why this runtime and provider were chosen. */
  readonly reason: string;
  readonly version: string;
  compile(graph: Graph): Promise<Program>;
  /** From now on, what is compiled is kept in this folder for later starts. Absent where that saves nothing. */
  keepCompiled?(folder: string): void;
  /** Takes ownership of `values`. */
  upload(values: Float32Array, shape: readonly number[]): DeviceTensor;
  read(tensor: DeviceTensor): Promise<Float32Array>;
  write(tensor: DeviceTensor, values: Float32Array): Promise<void>;
  free(tensor: DeviceTensor): void;
  close(): Promise<void>;
}

/** A runtime that is not there is an outcome, not an error. */
export type OpenedRuntime =
  | { available: true; runtime: Runtime }
  | { available: false; reason: string; remedy?: string };
