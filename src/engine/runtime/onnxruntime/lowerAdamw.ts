/**
 * AdamW as ONNX nodes. A dozen passes over a large tensor are bound by memory: an ONNX Scan takes it in blocks that stay
 * in the cache. Every element is computed alone, so that blocks change no bit.
 */
import { OnnxGraph } from './onnxModel.ts';

export interface Betas {
  beta1: number;
  beta2: number;
}

const blockElements = 2 ** 15;

/** (blocks, elements of a block), or (elements) where there is no divisor of a useful size. */
export function blocksOf(elements: number): readonly number[] {
  for (let block = Math.min(blockElements, elements - 1); block >= blockElements / 8; block--) {
    if (elements % block === 0) return [elements / block, block];
  }
  return [elements];
}

/**
 * inputs: weight, gradient, first, second, then the scalars clip, stepSize, epsilon, keep. outputs: names of the new
 * weight, first and second, which come in the shape that blocksOf gives.
 */
export function lowerAdamw(
  onnx: OnnxGraph,
  inputs: readonly string[],
  outputs: readonly string[],
  shape: readonly number[],
  { beta1, beta2 }: Betas,
): void {
  const [clip, stepSize, epsilon, keep] = inputs.slice(4) as [string, string, string, string];
  const factors: Factors = {
    beta1: onnx.scalar(beta1),
    beta2: onnx.scalar(beta2),
    firstShare: onnx.node('Mul', [clip, onnx.scalar(1 - beta1)]),
    secondShare: onnx.node('Mul', [onnx.node('Mul', [clip, clip]), onnx.scalar(1 - beta2)]),
    stepSize,
    epsilon,
    keep,
  };
  const tensors = inputs.slice(0, 4);
  const shaped = tensors.map(name => onnx.node('Reshape', [name, onnx.integers(shape)]));
  if (shape.length === 1) {
    update(onnx, shaped, factors, outputs);
    return;
  }
  const body = new OnnxGraph(onnx);
  const parts = tensors.map(() => body.input(body.newName(), 'float', shape.slice(1)));
  const results = outputs.map(() => body.newName());
  update(body, parts, factors, results);
  for (const result of results) body.output(result, 'float', shape.slice(1));
  onnx.node('Scan', shaped, { attributes: { body: { graph: body }, num_scan_inputs: shaped.length }, outputs });
}

type Factors = Record<'beta1' | 'beta2' | 'firstShare' | 'secondShare' | 'stepSize' | 'epsilon' | 'keep', string>;

/** The update itself; the new weight, first and second take the names in `outputs`. */
function update(onnx: OnnxGraph, tensors: readonly string[], factors: Factors, outputs: readonly string[]): void {
  const [weight, gradient, first, second] = tensors as [string, string, string, string];
  const [newWeight, newFirst, newSecond] = outputs as [string, string, string];
  const mul = (a: string, b: string) => onnx.node('Mul', [a, b]);
  onnx.node('Add', [mul(first, factors.beta1), mul(gradient, factors.firstShare)], { outputs: [newFirst] });
  const squared = mul(mul(gradient, gradient), factors.secondShare);
  onnx.node('Add', [mul(second, factors.beta2), squared], { outputs: [newSecond] });
  const deviation = onnx.node('Add', [onnx.node('Sqrt', [newSecond]), factors.epsilon]);
  const change = mul(onnx.node('Div', [newFirst, deviation]), factors.stepSize);
  onnx.node('Sub', [mul(weight, factors.keep), change], { outputs: [newWeight] });
}
