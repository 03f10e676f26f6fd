/**
 * TensorFlow's own operations by name, over tensors on its device. Integers and numbers that operations take as tensors
 * are made once and kept. Knows nothing of our graphs.
 */
import type { TfAttribute, Tfjs, TfTensor, TfType } from './tfjs.ts';

type Wish = boolean | TfType | { integer: number };

export class Operations {
  readonly tfjs: Tfjs;
  readonly #constants = new Map<string, TfTensor>();

  constructor(tfjs: Tfjs) {
    this.tfjs = tfjs;
  }

  run(name: string, inputs: TfTensor[], wishes: Record<string, Wish> = {}): TfTensor {
    return this.runAll(name, inputs, 1, wishes)[0]!;
  }

  runAll(name: string, inputs: TfTensor[], outputs: number, wishes: Record<string, Wish>): TfTensor[] {
    const attributes = Object.entries(wishes).map(([key, wish]) => this.#attribute(key, wish));
    return this.tfjs.backend().executeMultipleOutputs(name, attributes, inputs, outputs);
  }

  unary = (name: string, x: TfTensor): TfTensor => this.run(name, [x], { T: x.dtype });
  binary = (name: string, a: TfTensor, b: TfTensor): TfTensor => this.run(name, [a, b], { T: a.dtype });

  add = (a: TfTensor, b: TfTensor): TfTensor => this.binary('AddV2', a, b);
  sub = (a: TfTensor, b: TfTensor): TfTensor => this.binary('Sub', a, b);
  mul = (a: TfTensor, b: TfTensor): TfTensor => this.binary('Mul', a, b);
  div = (a: TfTensor, b: TfTensor): TfTensor => this.binary('RealDiv', a, b);
  scale = (x: TfTensor, factor: number): TfTensor => (factor === 1 ? x : this.mul(x, this.number(factor)));

  reshape(x: TfTensor, shape: readonly number[]): TfTensor {
    return this.run('Reshape', [x, this.integers(shape)], { T: x.dtype, Tshape: 'int32' });
  }

  slice(x: TfTensor, axis: number, from: number, to: number): TfTensor {
    const begin = x.shape.map((_, i) => (i === axis ? from : 0));
    const extents = x.shape.map((extent, i) => (i === axis ? to - from : extent));
    return this.run('Slice', [x, this.integers(begin), this.integers(extents)], { T: x.dtype, Index: 'int32' });
  }

  concat(parts: TfTensor[], axis: number): TfTensor {
    const wishes = { N: { integer: parts.length }, T: parts[0]!.dtype, Tidx: 'int32' } as const;
    return this.run('ConcatV2', [...parts, this.integer(axis)], wishes);
  }

  sum(x: TfTensor, axes: readonly number[], keepAxes: boolean): TfTensor {
    return this.#reduce('Sum', x, axes, keepAxes);
  }

  mean(x: TfTensor, axes: readonly number[], keepAxes: boolean): TfTensor {
    return this.#reduce('Mean', x, axes, keepAxes);
  }

  matmul(a: TfTensor, b: TfTensor, { transposeA = false, transposeB = false } = {}): TfTensor {
    if (a.shape.length === 2 && b.shape.length === 2) {
      return this.run('MatMul', [a, b], { T: 'float32', transpose_a: transposeA, transpose_b: transposeB });
    }
    return this.run('BatchMatMulV2', [a, b], { T: 'float32', adj_x: transposeA, adj_y: transposeB });
  }

  /** Rows of a table. */
  gather(table: TfTensor, ids: TfTensor): TfTensor {
    const wishes = { Tparams: table.dtype, Tindices: 'int32', Taxis: 'int32' } as const;
    return this.run('GatherV2', [table, ids, this.integer(0)], wishes);
  }

  number(value: number): TfTensor {
    return this.constant(`number ${value}`, Float32Array.of(value), []);
  }

  integer(value: number): TfTensor {
    return this.constant(`integer ${value}`, Int32Array.of(value), []);
  }

  integers(values: readonly number[]): TfTensor {
    return this.constant(`integers ${values}`, Int32Array.from(values), [values.length]);
  }

  /** Kept under this key until `close`. */
  constant(key: string, values: Float32Array | Int32Array, shape: readonly number[]): TfTensor {
    const known = this.#constants.get(key);
    if (known) return known;
    const dtype = values instanceof Int32Array ? 'int32' : 'float32';
    const made = this.tfjs.keep(this.tfjs.tensor(values, shape, dtype));
    this.#constants.set(key, made);
    return made;
  }

  close(): void {
    for (const constant of this.#constants.values()) constant.dispose();
    this.#constants.clear();
  }

  #reduce(name: string, x: TfTensor, axes: readonly number[], keepAxes: boolean): TfTensor {
    return this.run(name, [x, this.integers(axes)], { T: x.dtype, Tidx: 'int32', keep_dims: keepAxes });
  }

  #attribute(name: string, wish: Wish): TfAttribute {
    const { binding } = this.tfjs.backend();
    if (typeof wish === 'boolean') return { name, type: binding.TF_ATTR_BOOL, value: wish };
    if (typeof wish === 'object') return { name, type: binding.TF_ATTR_INT, value: wish.integer };
    const types = { float32: binding.TF_FLOAT, int32: binding.TF_INT32, bool: binding.TF_BOOL };
    return { name, type: binding.TF_ATTR_TYPE, value: types[wish] };
  }
}
