/**
 * Builds an ONNX model, node by node, and writes it. Field numbers are those of onnx.proto. Knows ONNX operators by
 * name only, and nothing of our graphs.
 */
import { ProtobufWriter } from './protobuf.ts';

export const elementTypes = { float: 1, int32: 6, int64: 7, bool: 9 } as const;
export type ElementType = keyof typeof elementTypes;

const attributeTypes = { float: 1, integer: 2, string: 3, graph: 5, integers: 7 } as const;

/** A number is an integer; a real number is written { float: x }. */
export type OnnxAttribute = number | string | readonly number[] | { float: number } | { graph: OnnxGraph };

/** Of one axis; a name where it is known when the model is run. */
export type Extent = number | string;

export interface NodeOptions {
  attributes?: Record<string, OnnxAttribute>;
  /** Names of the outputs; an empty string leaves one out. Default: one new name. */
  outputs?: readonly string[];
  /** Operators outside the ONNX standard. */
  domain?: 'com.microsoft';
}

/** Names that are new in the whole model, also within inner graphs. */
class Names {
  #last = 0;
  next(): string {
    return `t${++this.#last}`;
  }
}

export class OnnxGraph {
  readonly #names: Names;
  readonly #nodes: ProtobufWriter[] = [];
  readonly #initializers: ProtobufWriter[] = [];
  readonly #inputs: ProtobufWriter[] = [];
  readonly #outputs: ProtobufWriter[] = [];
  readonly #integerConstants = new Map<string, string>();

  constructor(parent?: OnnxGraph) {
    this.#names = parent ? parent.#names : new Names();
  }

  newName(): string {
    return this.#names.next();
  }

  input(name: string, type: ElementType, shape: readonly Extent[]): string {
    this.#inputs.push(valueInfo(name, type, shape));
    return name;
  }

  output(name: string, type: ElementType, shape: readonly Extent[]): void {
    this.#outputs.push(valueInfo(name, type, shape));
  }

  constant(data: Float32Array | Int32Array | BigInt64Array, shape: readonly number[]): string {
    const name = this.newName();
    this.#initializers.push(tensor(name, data, shape));
    return name;
  }

  scalar(value: number): string {
    return this.constant(Float32Array.of(value), []);
  }

  /** A list of int64, as ONNX takes shapes and axes; `shape` [] makes one number of it. */
  integers(values: readonly number[], shape: readonly number[] = [values.length]): string {
    const key = `${values.join()} as ${shape.join()}`;
    const known = this.#integerConstants.get(key);
    if (known) return known;
    const name = this.constant(BigInt64Array.from(values, BigInt), shape);
    this.#integerConstants.set(key, name);
    return name;
  }

  /** Adds a node; returns the name of its first output. */
  node(type: string, inputs: readonly string[], { attributes = {}, outputs, domain }: NodeOptions = {}): string {
    const names = outputs ?? [this.newName()];
    const node = new ProtobufWriter();
    for (const input of inputs) node.string(1, input);
    for (const output of names) node.string(2, output);
    node.string(4, type);
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value));
    if (domain) node.string(7, domain);
    this.#nodes.push(node);
    return names[0]!;
  }

  write(name: string): ProtobufWriter {
    const graph = new ProtobufWriter();
    for (const node of this.#nodes) graph.message(1, node);
    graph.string(2, name);
    for (const initializer of this.#initializers) graph.message(5, initializer);
    for (const input of this.#inputs) graph.message(11, input);
    for (const output of this.#outputs) graph.message(12, output);
    return graph;
  }
}

const irVersion = 10;
const opset = 21;

export function writeOnnxModel(graph: OnnxGraph): Uint8Array {
  const standard = new ProtobufWriter().string(1, '').integer(2, opset);
  const extension = new ProtobufWriter().string(1, 'com.microsoft').integer(2, 1);
  return new ProtobufWriter()
    .integer(1, irVersion)
    .message(7, graph.write('program'))
    .message(8, standard)
    .message(8, extension)
    .finish();
}

function tensor(name: string, data: Float32Array | Int32Array | BigInt64Array, shape: readonly number[]) {
  const type = data instanceof Float32Array ? 'float' : data instanceof Int32Array ? 'int32' : 'int64';
  const writer = new ProtobufWriter();
  for (const extent of shape) writer.integer(1, extent);
  writer.integer(2, elementTypes[type]).string(8, name);
  return writer.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function valueInfo(name: string, type: ElementType, shape: readonly Extent[]): ProtobufWriter {
  const dimensions = new ProtobufWriter();
  for (const extent of shape) {
    const isKnown = typeof extent === 'number';
    dimensions.message(1, isKnown ? new ProtobufWriter().integer(1, extent) : new ProtobufWriter().string(2, extent));
  }
  const tensorType = new ProtobufWriter().integer(1, elementTypes[type]).message(2, dimensions);
  return new ProtobufWriter().string(1, name).message(2, new ProtobufWriter().message(1, tensorType));
}

function attribute(name: string, value: OnnxAttribute): ProtobufWriter {
  const writer = new ProtobufWriter().string(1, name);
  if (typeof value === 'string')
    return writer.bytes(4, new TextEncoder().encode(value)).integer(20, attributeTypes.string);
  if (typeof value === 'number') return writer.integer(3, value).integer(20, attributeTypes.integer);
  if ('float' in value) return writer.float(2, value.float).integer(20, attributeTypes.float);
  if ('graph' in value) return writer.message(6, value.graph.write(name)).integer(20, attributeTypes.graph);
  for (const integer of value) writer.integer(8, integer);
  return writer.integer(20, attributeTypes.integers);
}
