/**
 * Operators that onnxruntime's webgpu provider wants otherwise than its CPU does: what it has no kernel for would be
 * computed by the CPU, with a copy there and back.
 */
import { lowerLossHeadNode, type Rule, type Rules } from './lower.ts';
import type { LossHeadStyle } from './lowerLossHead.ts';
import type { OnnxGraph } from './onnxModel.ts';
import type { MatmulOptions } from './steadyMatmul.ts';

/** There is no FusedMatMul, but Gemm takes transposed matrices and a factor. */
const matmul: Rule = ({ onnx, node, inputs: [a, b], outputs: [output], attributes }) => {
  const options = { ...(attributes as Required<Omit<MatmulOptions, 'output'>>), output };
  const [left, right] = node.inputs.map(({ shape }) => shape.length) as [number, number];
  if (left === 2 && right === 2) return void gemm(onnx, [a!, b!], options);
  const { transposeA, transposeB, scale } = options;
  const factors = [transposeA ? turned(onnx, a!, left) : a!, transposeB ? turned(onnx, b!, right) : b!];
  const outputs = [output!];
  if (scale === 1) return void onnx.node('MatMul', factors, { outputs });
  onnx.node('Mul', [onnx.node('MatMul', factors), onnx.scalar(scale)], { outputs });
};

function gemm(onnx: OnnxGraph, [a, b]: readonly [string, string], options: MatmulOptions): string {
  const { transposeA = false, transposeB = false, scale = 1, output } = options;
  const attributes = { transA: Number(transposeA), transB: Number(transposeB), alpha: { float: scale } };
  return onnx.node('Gemm', [a, b], { attributes, ...(output && { outputs: [output] }) });
}

/** The last two axes change places. */
function turned(onnx: OnnxGraph, x: string, rank: number): string {
  const perm = [...Array.from({ length: rank - 2 }, (_, axis) => axis), rank - 1, rank - 2];
  return onnx.node('Transpose', [x], { attributes: { perm } });
}

/** A choice between x and x, by a comparison whose outcome is known only when the others are there. */
const after: Rule = ({ onnx, inputs: [x, ...others], outputs }) => {
  const isThere = others.map(other => {
    const flat = onnx.node('Reshape', [other, onnx.integers([-1])]);
    const first = onnx.node('Slice', [flat, onnx.integers([0]), onnx.integers([1])]);
    return onnx.node('Equal', [first, first]);
  });
  const areThere = isThere.reduce((all, one) => onnx.node('And', [all, one]));
  onnx.node('Where', [areThere, x!, x!], { outputs });
};

/** The provider's own normalisation leaves its second output, the reciprocal of the deviation, unwritten. */
const rmsNorm: Rule = ({ onnx, inputs: [x, weight], outputs: [y, r], attributes }) => {
  const squares = onnx.node('Mul', [x!, x!]);
  const mean = onnx.node('ReduceMean', [squares, onnx.integers([-1])], { attributes: { keepdims: 1 } });
  const deviation = onnx.node('Sqrt', [onnx.node('Add', [mean, onnx.scalar(attributes.epsilon as number)])]);
  const reciprocal = onnx.node('Reciprocal', [deviation], r ? { outputs: [r] } : {});
  const normal = onnx.node('Mul', [x!, reciprocal]);
  onnx.node('Mul', [normal, weight!], y ? { outputs: [y] } : {});
};

export const webgpuLossHead: LossHeadStyle = {
  product: (onnx, factors, _, options = {}) => gemm(onnx, factors, options),
  logSoftmax,
  // 64 MiB of logits keep a GPU busy.
  chunkElements: 2 ** 24,
  isScan: false,
};

function logSoftmax(onnx: OnnxGraph, x: string): string {
  const overRow = (type: string, values: string) =>
    onnx.node(type, [values, onnx.integers([-1])], { attributes: { keepdims: 1 } });
  const shifted = onnx.node('Sub', [x, overRow('ReduceMax', x)]);
  return onnx.node('Sub', [shifted, onnx.node('Log', [overRow('ReduceSum', onnx.node('Exp', [shifted]))])]);
}

export const webgpuRules: Rules = {
  ...{ matmul, after, rmsNorm },
  lossHead: args => lowerLossHeadNode(args, webgpuLossHead),
};
