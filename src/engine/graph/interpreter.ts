/**
 * Runs a graph slowly and plainly in f64: the reference that runtimes and gradients are checked against. Nothing is
 * fused, chunked or shared; every operator is written from its definition.
 */
import { EngineError } from '../engineError.ts';
import { type Attributes, type Graph, type Shape, size, type Tensor } from './graph.ts';
import { liveParts } from './live.ts';
import { lossHeadInputs } from './operators/lossHead.ts';

/** Truth values are 1 and 0. */
export type Values = Float64Array;

interface Argument {
  values: Values;
  shape: Shape;
}
interface KernelArguments {
  attributes: Attributes;
  outputs: readonly Tensor[];
}
type Kernel = (inputs: readonly Argument[], args: KernelArguments) => Values[];

export interface Interpreted {
  outputs: Map<string, Values>;
  updates: Map<string, Values>;
}

/** `inputs` gives a value to every input the results depend on. */
export function interpret(graph: Graph, inputs: Record<string, ArrayLike<number>>): Interpreted {
  const { nodes, tensors } = liveParts(graph);
  const known = new Map<Tensor, Values>();
  for (const { name, tensor } of graph.inputs) {
    if (!tensors.has(tensor)) continue;
    const values = inputs[name];
    if (values?.length !== size(tensor.shape)) throw new EngineError('graph', `The input ${name} has no fitting value`);
    known.set(tensor, Float64Array.from(values));
  }
  for (const [tensor, data] of graph.constants) known.set(tensor, Float64Array.from(data));
  for (const { operator, inputs: from, outputs, attributes } of nodes) {
    const kernel = kernels[operator.name];
    if (!kernel) throw new EngineError('graph', `The interpreter does not know ${operator.name}`);
    const results = kernel(
      from.map(tensor => ({ values: known.get(tensor)!, shape: tensor.shape })),
      { attributes, outputs },
    );
    outputs.forEach((output, i) => {
      known.set(output, results[i]!);
    });
  }
  const named = (results: ReadonlyMap<string, Tensor>) =>
    new Map([...results].map(([name, tensor]) => [name, known.get(tensor)!]));
  return { outputs: named(graph.outputs), updates: named(graph.updates) };
}

/** Index of each axis for the element at a flat place. */
function indexOf(place: number, shape: Shape): number[] {
  const index = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = place % shape[axis]!;
    place = Math.floor(place / shape[axis]!);
  }
  return index;
}

const placeOf = (index: readonly number[], shape: Shape): number =>
  shape.reduce((place, extent, axis) => place * extent + index[axis]!, 0);

/** The element of a broadcast argument at an index of the result. */
function broadcastAt({ values, shape }: Argument, index: readonly number[]): number {
  const lead = index.length - shape.length;
  return values[
    placeOf(
      shape.map((extent, axis) => (extent === 1 ? 0 : index[axis + lead]!)),
      shape,
    )
  ]!;
}

const filled = (shape: Shape, value: (index: number[], place: number) => number): Values =>
  Float64Array.from({ length: size(shape) }, (_, place) => value(indexOf(place, shape), place));

const unary =
  (f: (x: number) => number): Kernel =>
  ([x]) => [x!.values.map(f)];

const binary =
  (f: (a: number, b: number) => number): Kernel =>
  ([a, b], { outputs }) => [filled(outputs[0]!.shape, index => f(broadcastAt(a!, index), broadcastAt(b!, index)))];

const numbers = (value: unknown) => value as readonly number[];

const kernels: Record<string, Kernel> = {
  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  minimum: binary(Math.min),
  equal: binary((a, b) => Number(a === b)),
  lessOrEqual: binary((a, b) => Number(a <= b)),
  and: binary((a, b) => Number(a !== 0 && b !== 0)),
  neg: unary(x => -x),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  reciprocal: unary(x => 1 / x),
  sigmoid: unary(x => 1 / (1 + Math.exp(-x))),
  where: ([condition, a, b], { outputs }) => [
    filled(outputs[0]!.shape, index => broadcastAt(broadcastAt(condition!, index) ? a! : b!, index)),
  ],
  after: ([x]) => [x!.values],
  reshape: ([x]) => [x!.values],
  broadcastTo: ([x], { outputs }) => [filled(outputs[0]!.shape, index => broadcastAt(x!, index))],
  transpose: ([x], { attributes, outputs }) => [
    filled(outputs[0]!.shape, index => {
      const source: number[] = [];
      numbers(attributes.order).forEach((axis, i) => {
        source[axis] = index[i]!;
      });
      return x!.values[placeOf(source, x!.shape)]!;
    }),
  ],
  slice: ([x], { attributes, outputs }) => [
    filled(outputs[0]!.shape, index => {
      const source = index.map((i, axis) => (axis === attributes.axis ? i + (attributes.from as number) : i));
      return x!.values[placeOf(source, x!.shape)]!;
    }),
  ],
  concat: (parts, { attributes, outputs }) => [
    filled(outputs[0]!.shape, index => {
      const axis = attributes.axis as number;
      let at = index[axis]!;
      const part = parts.find(({ shape }) => {
        if (at < shape[axis]!) return true;
        at -= shape[axis]!;
        return false;
      })!;
      return part.values[placeOf(index.with(axis, at), part.shape)]!;
    }),
  ],
  sum: ([x], { outputs }) => {
    const { shape } = outputs[0]!;
    const sums = new Float64Array(size(shape));
    x!.values.forEach((value, place) => {
      const index = indexOf(place, x!.shape).map((i, axis) => (shape[axis] === 1 ? 0 : i));
      sums[placeOf(index, shape)]! += value;
    });
    return [sums];
  },
  sumSquares: ([x]) => [Float64Array.of(x!.values.reduce((total, v) => total + v * v, 0))],
  matmul: ([a, b], { attributes, outputs }) => [
    filled(outputs[0]!.shape, index => {
      const [m, n] = [index.at(-2)!, index.at(-1)!];
      const inner = a!.shape.at(attributes.transposeA ? -2 : -1)!;
      const lead = index.slice(0, -2);
      let total = 0;
      for (let k = 0; k < inner; k++) {
        const x = broadcastAt(a!, [...lead, ...(attributes.transposeA ? [k, m] : [m, k])]);
        total += x * broadcastAt(b!, [...lead, ...(attributes.transposeB ? [n, k] : [k, n])]);
      }
      return total * (attributes.scale as number);
    }),
  ],
  gatherRows: ([table, ids], { outputs }) => [
    filled(outputs[0]!.shape, ([n, d]) => table!.values[ids!.values[n!]! * table!.shape[1]! + d!]!),
  ],
  addRows: ([values, ids], { outputs }) => {
    const width = outputs[0]!.shape[1]!;
    const sums = new Float64Array(size(outputs[0]!.shape));
    values!.values.forEach((value, place) => {
      sums[ids!.values[Math.floor(place / width)]! * width + (place % width)]! += value;
    });
    return [sums];
  },
  softmax: ([x]) => [perRow(x!, row => logSoftmax(row).map(Math.exp))],
  rmsNorm: ([x, weight], { attributes }) => {
    const r = (row: Values) =>
      1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / row.length + (attributes.epsilon as number));
    return [
      perRow(x!, row => row.map((v, i) => v * r(row) * weight!.values[i]!)),
      perRow(x!, row => Float64Array.of(r(row))),
    ];
  },
  adamw: (inputs, { attributes }) => {
    const [weight, gradient, first, second] = inputs.map(({ values }) => values) as [Values, Values, Values, Values];
    const [clip, stepSize, epsilon, keep] = inputs.slice(4).map(({ values }) => values[0]!) as [
      number,
      number,
      number,
      number,
    ];
    const [beta1, beta2] = [attributes.beta1 as number, attributes.beta2 as number];
    const nextFirst = first.map((m, i) => beta1 * m + (1 - beta1) * clip * gradient[i]!);
    const nextSecond = second.map((v, i) => beta2 * v + (1 - beta2) * (clip * gradient[i]!) ** 2);
    const next = weight.map((w, i) => keep * w - (stepSize * nextFirst[i]!) / (Math.sqrt(nextSecond[i]!) + epsilon));
    return [next, nextFirst, nextSecond];
  },
  rotate: ([x, positions, cos, sin], { attributes }) => {
    const [, length, width] = x!.shape as [number, number, number];
    const half = cos!.shape[1]!;
    const sign = attributes.backwards ? -1 : 1;
    return [
      filled(x!.shape, ([b, t, i]) => {
        const position = positions!.values[b! * length + t!]!;
        const [within, start] = [i! % (2 * half), (b! * length + t!) * width + i! - (i! % (2 * half))];
        const pair = within % half;
        const [c, s] = [cos!.values[position * half + pair]!, sign * sin!.values[position * half + pair]!];
        const [low, high] = [x!.values[start + pair]!, x!.values[start + pair + half]!];
        return within < half ? low * c - high * s : high * c + low * s;
      }),
    ];
  },
  lossHead: (inputs, args) => lossHeadKernel(inputs, args),
};

/** Applies f to each slice along the last axis and joins the results. */
function perRow({ values, shape }: Argument, f: (row: Values) => Values): Values {
  const width = shape.at(-1)!;
  const rows = Array.from({ length: values.length / width }, (_, i) => f(values.subarray(i * width, (i + 1) * width)));
  return Float64Array.from(rows.flatMap(row => [...row]));
}

function logSoftmax(row: Values): Values {
  const max = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const logSum = max + Math.log(row.reduce((sum, v) => sum + Math.exp(v - max), 0));
  return row.map(v => v - logSum);
}

/** One token at a time, gradients from the formulas for one token's logits. */
function lossHeadKernel(inputs: readonly Argument[], { attributes }: KernelArguments): Values[] {
  const at = lossHeadInputs;
  const [hidden, head] = [inputs[at.hidden]!, inputs[at.head]!];
  const [tokens, width] = hidden.shape as [number, number];
  const temperature = attributes.temperature as number;
  const results = {
    objective: new Float64Array(1),
    crossEntropy: new Float64Array(tokens),
    hiddenGradient: new Float64Array(tokens * width),
    headGradient: new Float64Array(head.values.length),
    divergence: new Float64Array(tokens),
  };
  for (let n = 0; n < tokens; n++) {
    const logits = logitsOf(hidden, head, n);
    const label = inputs[at.labels]!.values[n]!;
    const weight = inputs[at.weights]!.values[n]!;
    const logP = logSoftmax(logits);
    const isOn = attributes.crossEntropy ? 1 : 0;
    results.crossEntropy[n] = -logP[label]!;
    let total = isOn * results.crossEntropy[n]!;
    let gradient = logP.map((l, v) => isOn * (Math.exp(l) - Number(v === label)));
    const ratio = inputs[at.ratio]?.values[n];
    if (ratio !== undefined) {
      const baseLogits = logitsOf(inputs[at.teacherHidden]!, inputs[at.teacherHead]!, n);
      const [logT, logBase] = [logits, baseLogits].map(z => logSoftmax(z.map(v => v / temperature))) as [
        Values,
        Values,
      ];
      const kl = divergence(logT, logBase, attributes.direction as string);
      results.divergence[n] = kl.value;
      total += ratio * kl.value;
      gradient = gradient.map((g, v) => g + (ratio / temperature) * kl.gradient[v]!);
    }
    results.objective[0]! += weight * total;
    gradient.forEach((g, v) => {
      for (let d = 0; d < width; d++) {
        results.hiddenGradient[n * width + d]! += weight * g * head.values[v * width + d]!;
        results.headGradient[v * width + d]! += weight * g * hidden.values[n * width + d]!;
      }
    });
  }
  const { objective, crossEntropy, hiddenGradient, headGradient, divergence: kl } = results;
  return [objective, crossEntropy, hiddenGradient, headGradient, kl];
}

/** KL and its gradient with respect to the tuned logits over T. */
function divergence(logTuned: Values, logBase: Values, direction: string): { value: number; gradient: Values } {
  if (direction === 'forward') {
    const value = logBase.reduce((sum, l, v) => sum + Math.exp(l) * (l - logTuned[v]!), 0);
    return { value, gradient: logTuned.map((l, v) => Math.exp(l) - Math.exp(logBase[v]!)) };
  }
  const value = logTuned.reduce((sum, l, v) => sum + Math.exp(l) * (l - logBase[v]!), 0);
  return { value, gradient: logTuned.map((l, v) => Math.exp(l) * (l - logBase[v]! - value)) };
}

function logitsOf(hidden: Argument, head: Argument, n: number): Values {
  const width = hidden.shape[1]!;
  return Float64Array.from({ length: head.shape[0]! }, (_, v) => {
    let total = 0;
    for (let d = 0; d < width; d++) total += hidden.values[n * width + d]! * head.values[v * width + d]!;
    return total;
  });
}
