/**
 * The loss head as ONNX nodes: logits, losses and their gradients of one chunk of tokens at a time.
 *
 * Scaling by the tokens' weights happens on (tokens, width) instead of (tokens, vocabulary), which is smaller. A ratio
 * of 0 leaves every gradient bit as it is without a teacher.
 */
import type { Direction } from '../../graph/operators/lossHead.ts';
import type { OnnxGraph } from './onnxModel.ts';

export interface ChunkInputs {
  hidden: string;
  head: string;
  labels: string;
  weights: string;
  teacher?: { ratio: string; hidden: string; head: string };
}

export interface ChunkOptions {
  crossEntropy: boolean;
  direction: Direction;
  temperature: number;
  wantsHidden: boolean;
  wantsHead: boolean;
}

export interface ChunkOutputs {
  crossEntropy: string;
  divergence?: string;
  hiddenGradient?: string;
  headGradient?: string;
}

const microsoft = 'com.microsoft';

export function lowerChunk(onnx: OnnxGraph, inputs: ChunkInputs, options: ChunkOptions): ChunkOutputs {
  const column = (x: string) => onnx.node('Unsqueeze', [x, onnx.integers([1])]);
  const logitsOf = (hidden: string, head: string) =>
    onnx.node('FusedMatMul', [hidden, head], { domain: microsoft, attributes: { transB: 1 } });

  const logits = logitsOf(inputs.hidden, inputs.head);
  const logProbabilities = onnx.node('LogSoftmax', [logits]);
  const probabilities = onnx.node('Exp', [logProbabilities]);
  const labels = column(inputs.labels);
  const picked = onnx.node('GatherElements', [logProbabilities, labels], { attributes: { axis: 1 } });
  const outputs: ChunkOutputs = {
    crossEntropy: onnx.node('Neg', [onnx.node('Squeeze', [picked, onnx.integers([1])])]),
  };
  const wantsGradient = options.wantsHidden || options.wantsHead;
  let logitsGradient: string | undefined;
  if (options.crossEntropy && wantsGradient) {
    const minusOne = onnx.node('Expand', [onnx.scalar(-1), onnx.node('Shape', [labels])]);
    const attributes = { axis: 1, reduction: 'add' };
    logitsGradient = onnx.node('ScatterElements', [probabilities, labels, minusOne], { attributes });
  }

  if (inputs.teacher) {
    const divergence = lowerDivergence(
      onnx,
      { logits, logProbabilities, probabilities },
      logitsOf(inputs.teacher.hidden, inputs.teacher.head),
      options,
    );
    outputs.divergence = divergence.value;
    if (wantsGradient) {
      const share = onnx.node('Mul', [divergence.gradient(), column(inputs.teacher.ratio)]);
      logitsGradient = logitsGradient ? onnx.node('Add', [logitsGradient, share]) : share;
    }
  }

  if (logitsGradient) {
    const weights = column(inputs.weights);
    if (options.wantsHidden) {
      outputs.hiddenGradient = onnx.node('Mul', [onnx.node('MatMul', [logitsGradient, inputs.head]), weights]);
    }
    if (options.wantsHead) {
      const weighted = onnx.node('Mul', [inputs.hidden, weights]);
      const transposed = { domain: microsoft, attributes: { transA: 1 } } as const;
      outputs.headGradient = onnx.node('FusedMatMul', [logitsGradient, weighted], transposed);
    }
  }
  return outputs;
}

interface Tuned {
  logits: string;
  logProbabilities: string;
  probabilities: string;
}

/** KL of the chunk's tokens and its gradient with respect to the tuned logits. */
function lowerDivergence(onnx: OnnxGraph, tuned: Tuned, baseLogits: string, options: ChunkOptions) {
  const { direction, temperature } = options;
  const cooled = (logits: string) =>
    onnx.node('LogSoftmax', [onnx.node('Mul', [logits, onnx.scalar(1 / temperature)])]);
  const logTuned = temperature === 1 ? tuned.logProbabilities : cooled(tuned.logits);
  const probTuned = temperature === 1 ? tuned.probabilities : onnx.node('Exp', [logTuned]);
  const logBase = temperature === 1 ? onnx.node('LogSoftmax', [baseLogits]) : cooled(baseLogits);
  const rowSum = (x: string, keep: boolean) =>
    onnx.node('ReduceSum', [x, onnx.integers([1])], { attributes: { keepdims: keep ? 1 : 0 } });
  const overT = (x: string) => (temperature === 1 ? x : onnx.node('Mul', [x, onnx.scalar(1 / temperature)]));

  if (direction === 'forward') {
    const probBase = onnx.node('Exp', [logBase]);
    return {
      value: rowSum(onnx.node('Mul', [probBase, onnx.node('Sub', [logBase, logTuned])]), false),
      gradient: () => overT(onnx.node('Sub', [probTuned, probBase])),
    };
  }
  const logRatio = onnx.node('Sub', [logTuned, logBase]);
  const terms = onnx.node('Mul', [probTuned, logRatio]);
  return {
    value: rowSum(terms, false),
    gradient: () => overT(onnx.node('Sub', [terms, onnx.node('Mul', [probTuned, rowSum(terms, true)])])),
  };
}
