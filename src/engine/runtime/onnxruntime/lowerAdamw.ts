/** AdamW as ONNX nodes, for tensors that AdamwBlock does not take. The same operations in the same order: equal bits. */
import type { OnnxGraph } from './onnxModel.ts';

export interface Betas {
  beta1: number;
  beta2: number;
}

/**
 * inputs: weight, gradient, first, second, then the scalars clip, stepSize, epsilon, keep. outputs: names of the new
 * weight, first and second.
 */
export function lowerAdamw(
  onnx: OnnxGraph,
  inputs: readonly string[],
  outputs: readonly string[],
  { beta1, beta2 }: Betas,
): void {
  const [weight, gradient, first, second] = inputs as [string, string, string, string];
  const [clip, stepSize, epsilon, keep] = inputs.slice(4) as [string, string, string, string];
  const [newWeight, newFirst, newSecond] = outputs as [string, string, string];
  const mul = (a: string, b: string) => onnx.node('Mul', [a, b]);
  const firstShare = mul(clip, onnx.scalar(1 - beta1));
  const secondShare = mul(mul(clip, clip), onnx.scalar(1 - beta2));

  onnx.node('Add', [mul(first, onnx.scalar(beta1)), mul(gradient, firstShare)], { outputs: [newFirst] });
  const squared = mul(mul(gradient, gradient), secondShare);
  onnx.node('Add', [mul(second, onnx.scalar(beta2)), squared], { outputs: [newSecond] });
  const deviation = onnx.node('Add', [onnx.node('Sqrt', [newSecond]), epsilon]);
  const change = mul(onnx.node('Div', [newFirst, deviation]), stepSize);
  onnx.node('Sub', [mul(weight, keep), change], { outputs: [newWeight] });
}
