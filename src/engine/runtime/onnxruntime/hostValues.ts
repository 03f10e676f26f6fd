/** What a run is given beside its state: values of a batch and scalars, checked and as onnxruntime takes them. */
import type * as Ort from 'onnxruntime-node';
import { EngineError } from '../../engineError.ts';
import { type Input, size } from '../../graph/graph.ts';
import type { BatchValues, ScalarValues } from '../runtime.ts';

export function hostValue(
  ort: typeof Ort,
  { name, kind, tensor }: Input,
  batch: BatchValues,
  scalars: ScalarValues,
): Ort.Tensor {
  const values = kind === 'scalar' ? scalarValue(scalars[name]) : batch[name];
  if (!values) throw missing(kind, name);
  if (values.length !== size(tensor.shape)) {
    throw new EngineError('runtime', `${name} has ${values.length} values instead of [${tensor.shape}]`);
  }
  return values instanceof Int32Array
    ? new ort.Tensor('int32', values, tensor.shape)
    : new ort.Tensor('float32', values, tensor.shape);
}

const scalarValue = (value: number | undefined) => (value === undefined ? undefined : Float32Array.of(value));

export const missing = (kind: string, name: string): EngineError =>
  new EngineError('runtime', `The program misses its ${kind} input ${name}`);

/** Throws unless the values fill the shape. */
export function checkFills(values: Float32Array, shape: readonly number[]): void {
  if (values.length === size(shape)) return;
  throw new EngineError('runtime', `${values.length} values do not fill [${shape}]`);
}
