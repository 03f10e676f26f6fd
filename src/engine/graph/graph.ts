/**
 * A graph of plain tensor operators: what a runtime compiles and the interpreter checks. Nodes are appended in an order
 * in which they can be run. Knows operators only by their interface, and nothing of runtimes or models.
 */
import { EngineError } from '../engineError.ts';

export type DType = 'f32' | 'i32' | 'bool';
export type Shape = readonly number[];
export interface TensorType {
  shape: Shape;
  dtype: DType;
}

export interface Tensor extends TensorType {
  readonly graph: Graph;
  readonly id: number;
}

export type AttributeValue = number | boolean | string | readonly number[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** What a gradient rule is given: its node's tensors, the outputs' gradients, and which inputs want one. */
export interface GradientArguments {
  inputs: readonly Tensor[];
  outputs: readonly Tensor[];
  attributes: Attributes;
  /** One an output; undefined where nothing depends on it. */
  gradients: readonly (Tensor | undefined)[];
  wants: readonly boolean[];
}
export type GradientRule = (args: GradientArguments) => readonly (Tensor | undefined)[];

export interface Operator {
  name: string;
  /** The outputs' types; throws on inputs it does not take. */
  type(inputs: readonly Tensor[], attributes: Attributes): TensorType[];
  /** Builds the inputs' gradients. Absent: nothing flows through. */
  gradient?: GradientRule;
  /** FLOPs of one run. Default: one an output element. */
  flops?(inputs: readonly Tensor[], outputs: readonly Tensor[], attributes: Attributes): number;
}

export interface Node {
  operator: Operator;
  inputs: readonly Tensor[];
  outputs: readonly Tensor[];
  attributes: Attributes;
}

/** state stays on the device between runs; batch arrays and scalars come with every run. */
export type InputKind = 'state' | 'batch' | 'scalar';
export interface Input {
  name: string;
  kind: InputKind;
  tensor: Tensor;
}

export type ConstantData = Float32Array | Int32Array;

/** One differentiable step of the program: a node, or several nodes with one common gradient rule. */
export interface Application {
  inputs: readonly Tensor[];
  outputs: readonly Tensor[];
  attributes: Attributes;
  gradient?: GradientRule;
}

export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs: Input[] = [];
  readonly constants = new Map<Tensor, ConstantData>();
  readonly outputs = new Map<string, Tensor>();
  /** New values of state tensors, by state name. */
  readonly updates = new Map<string, Tensor>();
  readonly applications: Application[] = [];
  readonly #scalars = new Map<number, Tensor>();
  #recording = true;
  #lastId = 0;

  input(name: string, kind: InputKind, shape: Shape, dtype: DType = 'f32'): Tensor {
    const known = this.inputs.find(input => input.name === name);
    if (known) throw new EngineError('graph', `The graph has an input ${name} already`);
    const tensor = this.#tensor({ shape, dtype });
    this.inputs.push({ name, kind, tensor });
    return tensor;
  }

  constant(data: ConstantData, shape: Shape): Tensor {
    if (data.length !== size(shape)) throw new EngineError('graph', `${data.length} values do not fill [${shape}]`);
    const tensor = this.#tensor({ shape, dtype: data instanceof Int32Array ? 'i32' : 'f32' });
    this.constants.set(tensor, data);
    return tensor;
  }

  /** A constant f32 scalar; equal ones are one tensor. */
  scalar(value: number): Tensor {
    const known = this.#scalars.get(value);
    if (known) return known;
    const tensor = this.constant(Float32Array.of(value), []);
    this.#scalars.set(value, tensor);
    return tensor;
  }

  apply(operator: Operator, inputs: readonly Tensor[], attributes: Attributes = {}): readonly Tensor[] {
    const foreign = inputs.find(input => input.graph !== this);
    if (foreign) throw new EngineError('graph', `${operator.name} mixes tensors of two graphs`);
    const outputs = operator.type(inputs, attributes).map(type => this.#tensor(type));
    this.nodes.push({ operator, inputs, outputs, attributes });
    if (this.#recording) this.applications.push({ inputs, outputs, attributes, gradient: operator.gradient });
    return outputs;
  }

  /** Several nodes that are differentiated as one, by the rule `build` returns beside its outputs. */
  composite(
    inputs: readonly Tensor[],
    build: () => { outputs: readonly Tensor[]; gradient: GradientRule },
  ): readonly Tensor[] {
    const { outputs, gradient } = this.withoutRecording(build);
    if (this.#recording) this.applications.push({ inputs, outputs, attributes: {}, gradient });
    return outputs;
  }

  withoutRecording<T>(build: () => T): T {
    const before = this.#recording;
    this.#recording = false;
    try {
      return build();
    } finally {
      this.#recording = before;
    }
  }

  /** What `build` makes, and what it applied on the way, which is left out of the graph's own applications. */
  recordedApart<T>(build: () => T): { result: T; applications: Application[] } {
    const [before, from] = [this.#recording, this.applications.length];
    this.#recording = true;
    try {
      const result = build();
      return { result, applications: this.applications.splice(from) };
    } finally {
      this.#recording = before;
    }
  }

  output(name: string, tensor: Tensor): void {
    if (this.outputs.has(name)) throw new EngineError('graph', `The graph has an output ${name} already`);
    this.outputs.set(name, tensor);
  }

  /** After a run, the state tensor `name` holds this value. */
  update(name: string, tensor: Tensor): void {
    const input = this.inputs.find(input => input.name === name && input.kind === 'state');
    if (!input) throw new EngineError('graph', `${name} is no state of this graph`);
    if (input.tensor.shape.join() !== tensor.shape.join()) {
      throw new EngineError('graph', `${name} has shape [${input.tensor.shape}], its update [${tensor.shape}]`);
    }
    this.updates.set(name, tensor);
  }

  #tensor({ shape, dtype }: TensorType): Tensor {
    return { graph: this, id: ++this.#lastId, shape, dtype };
  }
}

export function size(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** True for the constant scalar of that value. */
export function isScalar(tensor: Tensor, value: number): boolean {
  return tensor.shape.length === 0 && tensor.graph.constants.get(tensor)?.[0] === value;
}
