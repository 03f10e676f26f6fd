/**
 * How each graph operator becomes ONNX nodes. Uses onnxruntime's fused operators where they save a pass over memory.
 */
import { EngineError } from '../../engineError.ts';
import type { Attributes, Node, Shape, Tensor } from '../../graph/graph.ts';
import { type Direction, lossHeadInputs, lossHeadOutputs } from '../../graph/operators/lossHead.ts';
import type { JoinedRows } from './joinedNodes.ts';
import { lowerAdamw } from './lowerAdamw.ts';
import { type LossHeadStyle, lowerLossHead } from './lowerLossHead.ts';
import { elementTypes, type OnnxGraph } from './onnxModel.ts';
import { type MatmulOptions, matmul, steadyMatmul } from './steadyMatmul.ts';

/** What a rule is given: ONNX names of the node's inputs, and of its outputs, empty where nobody reads one. */
export interface LoweringArguments {
  onnx: OnnxGraph;
  node: Node;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: Attributes;
}
export type Rule = (args: LoweringArguments) => void;
/** By the operator's name. */
export type Rules = Readonly<Record<string, Rule>>;

const named =
  (type: string, attributes = {}): Rule =>
  ({ onnx, inputs, outputs }) => {
    onnx.node(type, inputs, { attributes, outputs });
  };

const microsoft = 'com.microsoft';
const numbers = (value: unknown) => value as readonly number[];

const rules: Rules = {
  add: named('Add'),
  sub: named('Sub'),
  mul: named('Mul'),
  div: named('Div'),
  neg: named('Neg'),
  exp: named('Exp'),
  log: named('Log'),
  sqrt: named('Sqrt'),
  reciprocal: named('Reciprocal'),
  sigmoid: named('Sigmoid'),
  minimum: named('Min'),
  equal: named('Equal'),
  lessOrEqual: named('LessOrEqual'),
  and: named('And'),
  where: named('Where'),
  softmax: named('Softmax', { axis: -1 }),
  // A choice between x and x, by something onnxruntime learns from the others only when they are there.
  after: ({ onnx, inputs: [x, ...others], outputs }) => {
    const sizes = others.map(other => onnx.node('Size', [other]));
    const least = sizes.length > 1 ? onnx.node('Min', sizes) : sizes[0]!;
    const isSome = onnx.node('Greater', [least, onnx.integers([0], [])]);
    onnx.node('Where', [isSome, x!, x!], { outputs });
  },
  sum: ({ onnx, inputs, outputs, attributes }) => {
    onnx.node('ReduceSum', [inputs[0]!, onnx.integers(numbers(attributes.axes))], {
      attributes: { keepdims: 1 },
      outputs,
    });
  },
  sumSquares: named('ReduceSumSquare', { keepdims: 0 }),
  reshape: ({ onnx, inputs, outputs, attributes }) => {
    onnx.node('Reshape', [inputs[0]!, onnx.integers(numbers(attributes.shape))], { outputs });
  },
  transpose: ({ onnx, inputs, outputs, attributes }) => {
    onnx.node('Transpose', inputs, { attributes: { perm: numbers(attributes.order) }, outputs });
  },
  broadcastTo: ({ onnx, inputs, outputs, attributes }) => {
    onnx.node('Expand', [inputs[0]!, onnx.integers(numbers(attributes.shape))], { outputs });
  },
  slice: ({ onnx, inputs, outputs, attributes }) => {
    const [from, to, axis] = [attributes.from, attributes.to, attributes.axis].map(n => onnx.integers([n as number]));
    onnx.node('Slice', [inputs[0]!, from!, to!, axis!], { outputs });
  },
  concat: ({ onnx, inputs, outputs, attributes }) => {
    onnx.node('Concat', inputs, { attributes: { axis: attributes.axis as number }, outputs });
  },
  matmul: ({ onnx, node, inputs: [a, b], outputs: [output], attributes }) => {
    const { transposeA, transposeB, scale } = attributes as Required<Omit<MatmulOptions, 'output'>>;
    const options = { transposeA, transposeB, scale, output };
    const [left, right] = node.inputs.map(({ shape }) => shape) as [Shape, Shape];
    const isBatch = left.length > 2 || right.length > 2;
    const [rows, columns] = node.outputs[0]!.shape.slice(-2) as [number, number];
    const inner = left.at(transposeA ? -2 : -1)!;
    if (isBatch) matmul(onnx, a!, b!, options);
    else steadyMatmul(onnx, [a!, b!], { rows, inner, columns }, options);
  },
  gatherRows: named('Gather', { axis: 0 }),
  addRows: ({ onnx, node, inputs, outputs }) => {
    const zeros = onnx.node('ConstantOfShape', [onnx.integers(node.outputs[0]!.shape)]);
    addRowsTo(onnx, zeros, inputs, node.inputs[0]!.shape, outputs);
  },
  rmsNorm: ({ onnx, inputs, outputs, attributes }) => {
    const epsilon = { float: attributes.epsilon as number };
    const [y, r] = outputs;
    const names = [y || onnx.newName(), ...(r ? [r] : [])];
    onnx.node('SimplifiedLayerNormalization', inputs, { attributes: { axis: -1, epsilon }, outputs: names });
  },
  rotate: ({ onnx, inputs: [x, positions, cos, sin], outputs, attributes }) => {
    const wide = onnx.node('Cast', [positions!], { attributes: { to: elementTypes.int64 } });
    const angleSin = attributes.backwards ? onnx.node('Neg', [sin!]) : sin!;
    onnx.node('RotaryEmbedding', [x!, wide, cos!, angleSin], { domain: microsoft, outputs });
  },
  adamw: ({ onnx, inputs, outputs, attributes }) => {
    const betas = { beta1: attributes.beta1 as number, beta2: attributes.beta2 as number };
    lowerAdamw(onnx, inputs, outputs, betas);
  },
  lossHead: args => lowerLossHeadNode(args),
};

export function lowerLossHeadNode(
  { onnx, node, inputs, outputs, attributes }: LoweringArguments,
  style?: LossHeadStyle,
): void {
  const at = lossHeadInputs;
  const out = lossHeadOutputs;
  const input = (place: number) => inputs[place]!;
  const ratio = inputs[at.ratio];
  const [tokens, width] = node.inputs[at.hidden]!.shape as [number, number];
  const vocabulary = node.inputs[at.head]!.shape[0]!;
  const results = lowerLossHead(
    onnx,
    {
      hidden: input(at.hidden),
      head: input(at.head),
      labels: input(at.labels),
      weights: input(at.weights),
      teacher: ratio ? { ratio, hidden: input(at.teacherHidden), head: input(at.teacherHead) } : undefined,
    },
    { tokens, width, vocabulary },
    {
      crossEntropy: attributes.crossEntropy as boolean,
      direction: attributes.direction as Direction,
      temperature: attributes.temperature as number,
      wantsHidden: Boolean(outputs[out.hiddenGradient]),
      wantsHead: Boolean(outputs[out.headGradient]),
    },
    style,
  );
  const give = (from: string | undefined, place: number) => {
    if (from && outputs[place]) onnx.node('Identity', [from], { outputs: [outputs[place]!] });
  };
  give(results.crossEntropy, out.crossEntropy);
  give(results.divergence, out.divergence);
  give(results.hiddenGradient, out.hiddenGradient);
  give(results.headGradient, out.headGradient);
  if (outputs[out.objective]) {
    const penalty = results.divergence && onnx.node('Mul', [results.divergence, ratio!]);
    const terms = !attributes.crossEntropy
      ? penalty!
      : penalty
        ? onnx.node('Add', [results.crossEntropy, penalty])
        : results.crossEntropy;
    const weighted = onnx.node('Mul', [terms, input(at.weights)]);
    onnx.node('ReduceSum', [weighted], { attributes: { keepdims: 0 }, outputs: [outputs[out.objective]!] });
  }
}

/** ScatterElements adds serially, so that the sum does not depend on the number of threads; ScatterND would not. */
function addRowsTo(
  onnx: OnnxGraph,
  onto: string,
  [values, ids]: readonly string[],
  shape: Shape,
  outputs: readonly string[],
): void {
  const column = onnx.node('Unsqueeze', [ids!, onnx.integers([1])]);
  const everywhere = onnx.node('Expand', [column, onnx.integers(shape)]);
  onnx.node('ScatterElements', [onto, everywhere, values!], { attributes: { axis: 0, reduction: 'add' }, outputs });
}

/** The node that adds the rows to something is lowered with them. */
export function lowerJoinedRows(
  onnx: OnnxGraph,
  node: Node,
  { rows, onto }: JoinedRows,
  nameOf: (tensor: Tensor) => string,
): void {
  addRowsTo(onnx, nameOf(onto), rows.inputs.map(nameOf), rows.inputs[0]!.shape, node.outputs.map(nameOf));
}

/** `own`: rules of a provider that wants some operators otherwise. */
export function lowerNode(onnx: OnnxGraph, node: Node, nameOf: (tensor: Tensor) => string, own: Rules): void {
  const rule = own[node.operator.name] ?? rules[node.operator.name];
  if (!rule) throw new EngineError('runtime', `onnxruntime has no rule for the operator ${node.operator.name}`);
  rule({
    onnx,
    node,
    inputs: node.inputs.map(nameOf),
    outputs: node.outputs.map(nameOf),
    attributes: node.attributes,
  });
}
