/**
 * Products of matrices whose bits do not depend on the number of threads. onnxruntime's matrix kernels give each thread
 * a part of the longer side, and sum in blocks of 128 unless a thread's part has 64 columns or fewer. So where columns
 * would be shared out narrowly, the product is computed the other way round: then rows are. A single row is summed from its
 * first element to its last whatever happens, and would take several times as long the other way round.
 */
import type { OnnxGraph } from './onnxModel.ts';

export interface MatmulShape {
  rows: number;
  inner: number;
  columns: number;
}

export interface MatmulOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  scale?: number;
  output?: string;
}

const blockOfSum = 128;
const narrowest = 64;
/** Beyond this many threads, wide products may differ. */
const mostThreads = 8;

export function steadyMatmul(
  onnx: OnnxGraph,
  [a, b]: readonly [string, string],
  { rows, inner, columns }: MatmulShape,
  options: MatmulOptions = {},
): string {
  const { transposeA = false, transposeB = false, scale = 1, output } = options;
  const isOneRow = rows === 1 && !transposeA && scale === 1;
  const isSteady = isOneRow || rows >= columns || inner <= blockOfSum || columns > narrowest * mostThreads;
  if (isSteady) return matmul(onnx, a, b, options);
  const turned = matmul(onnx, b, a, { transposeA: !transposeB, transposeB: !transposeA, scale });
  return onnx.node('Transpose', [turned], { attributes: { perm: [1, 0] }, ...(output && { outputs: [output] }) });
}

export function matmul(
  onnx: OnnxGraph,
  a: string,
  b: string,
  { transposeA = false, transposeB = false, scale = 1, output }: MatmulOptions,
): string {
  const named = output ? { outputs: [output] } : {};
  if (!transposeA && !transposeB && scale === 1) return onnx.node('MatMul', [a, b], named);
  const attributes = { transA: Number(transposeA), transB: Number(transposeB), alpha: { float: scale } };
  return onnx.node('FusedMatMul', [a, b], { domain: 'com.microsoft', attributes, ...named });
}
