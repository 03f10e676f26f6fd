/**
 * The loss head as ONNX nodes: logits, losses and their gradients of one chunk of tokens after the other, in an ONNX
 * Scan, so that only one chunk's logits exist at a time.
 *
 * Scaling by the tokens' weights happens on (tokens, width) instead of (tokens, vocabulary), which is smaller. A ratio
 * of 0 leaves every gradient bit as it is without a teacher.
 */
import type { Direction } from '../../graph/operators/lossHead.ts';
import { OnnxGraph } from './onnxModel.ts';
import { steadyMatmul } from './steadyMatmul.ts';

export interface LossHeadSizes {
  tokens: number;
  width: number;
  vocabulary: number;
}

/** ONNX names; all but the head weights have one row a token. */
export interface LossHeadNames {
  hidden: string;
  head: string;
  labels: string;
  weights: string;
  teacher?: { ratio: string; hidden: string; head: string };
}

export interface LossHeadOptions {
  crossEntropy: boolean;
  direction: Direction;
  temperature: number;
  wantsHidden: boolean;
  wantsHead: boolean;
}

export interface LossHeadResults {
  crossEntropy: string;
  divergence?: string;
  hiddenGradient?: string;
  headGradient?: string;
}

/** What differs from provider to provider. */
export interface LossHeadStyle {
  product: typeof steadyMatmul;
  logSoftmax: (onnx: OnnxGraph, x: string) => string;
  /** Logits of a chunk. */
  chunkElements: number;
  /** As one node that runs the chunks in turn, or as the nodes of all chunks, one after the other. */
  isScan: boolean;
}

const onProcessor: LossHeadStyle = {
  product: steadyMatmul,
  logSoftmax: (onnx, x) => onnx.node('LogSoftmax', [x]),
  // Small enough for a cache.
  chunkElements: 2 ** 20,
  isScan: true,
};
/** With this many rows a product takes hardly longer than its share of one over all; with a large vocabulary a few would not do. */
const enoughTokens = 128;
const fewestTokens = 32;

/** A divisor of the number of tokens: the largest of those that are small enough, or the smallest that is not too small. */
export function chunkTokens({ tokens, vocabulary }: LossHeadSizes, { chunkElements } = onProcessor): number {
  const divisors = Array.from({ length: tokens }, (_, i) => i + 1).filter(n => tokens % n === 0);
  const most = Math.max(enoughTokens, chunkElements / vocabulary);
  return divisors.findLast(n => n >= fewestTokens && n <= most) ?? divisors.find(n => n >= fewestTokens) ?? tokens;
}

export function lowerLossHead(
  onnx: OnnxGraph,
  names: LossHeadNames,
  sizes: LossHeadSizes,
  options: LossHeadOptions,
  style = onProcessor,
): LossHeadResults {
  const chunk = chunkTokens(sizes, style);
  if (chunk === sizes.tokens) return lowerChunk(onnx, names, sizes, options, style);
  const lowerChunks = style.isScan ? lowerScan : lowerRow;
  return lowerChunks(onnx, names, sizes, chunk, options, style);
}

/** Chunk after chunk; a chunk's gradient of the head is added to those before it. */
function lowerRow(
  onnx: OnnxGraph,
  names: LossHeadNames,
  { tokens, width, vocabulary }: LossHeadSizes,
  chunk: number,
  options: LossHeadOptions,
  style: LossHeadStyle,
): LossHeadResults {
  const { teacher } = names;
  const chunks: LossHeadResults[] = [];
  for (let from = 0; from < tokens; from += chunk) {
    const [start, end] = [onnx.integers([from]), onnx.integers([from + chunk])];
    const part = (name: string) => onnx.node('Slice', [name, start, end, onnx.integers([0])]);
    const inputs = {
      ...{ hidden: part(names.hidden), labels: part(names.labels), weights: part(names.weights), head: names.head },
      teacher: teacher && { ratio: part(teacher.ratio), hidden: part(teacher.hidden), head: teacher.head },
    };
    const results = lowerChunk(onnx, inputs, { tokens: chunk, width, vocabulary }, options, style);
    const before = chunks.at(-1)?.headGradient;
    if (before) results.headGradient = onnx.node('Add', [before, results.headGradient!]);
    chunks.push(results);
  }
  const joined = (key: 'crossEntropy' | 'divergence' | 'hiddenGradient') => {
    if (!chunks[0]![key]) return undefined;
    return onnx.node(
      'Concat',
      chunks.map(results => results[key]!),
      { attributes: { axis: 0 } },
    );
  };
  return {
    ...{ crossEntropy: joined('crossEntropy')!, divergence: joined('divergence') },
    ...{ hiddenGradient: joined('hiddenGradient'), headGradient: chunks.at(-1)!.headGradient },
  };
}

/** Runs the chunks in turn; the head's gradient is carried from one to the next. */
function lowerScan(
  onnx: OnnxGraph,
  names: LossHeadNames,
  { tokens, width, vocabulary }: LossHeadSizes,
  chunk: number,
  options: LossHeadOptions,
  style: LossHeadStyle,
): LossHeadResults {
  const chunks = tokens / chunk;
  const body = new OnnxGraph(onnx);
  const headShape = [vocabulary, width];
  const carried = options.wantsHead ? body.input(body.newName(), 'float', headShape) : undefined;
  const scanned: string[] = [];
  const chunked = (name: string, inner: readonly number[], type: 'float' | 'int32' = 'float') => {
    scanned.push(onnx.node('Reshape', [name, onnx.integers([chunks, ...inner])]));
    return body.input(body.newName(), type, inner);
  };
  const { teacher } = names;
  const inner = lowerChunk(
    body,
    {
      hidden: chunked(names.hidden, [chunk, width]),
      head: names.head,
      labels: chunked(names.labels, [chunk], 'int32'),
      weights: chunked(names.weights, [chunk]),
      teacher: teacher && {
        ratio: chunked(teacher.ratio, [chunk]),
        hidden: chunked(teacher.hidden, [chunk, width]),
        head: teacher.head,
      },
    },
    { tokens: chunk, width, vocabulary },
    options,
    style,
  );

  const outputs: string[] = [];
  const results: LossHeadResults = { crossEntropy: '' };
  if (carried) {
    body.output(body.node('Add', [carried, inner.headGradient!]), 'float', headShape);
    results.headGradient = onnx.newName();
    outputs.push(results.headGradient);
  }
  const joined = (name: string | undefined, shape: readonly number[]) => {
    if (!name) return undefined;
    body.output(name, 'float', shape);
    const stacked = onnx.newName();
    outputs.push(stacked);
    return { stacked, shape: [tokens, ...shape.slice(1)] };
  };
  const pieces = {
    crossEntropy: joined(inner.crossEntropy, [chunk]),
    divergence: joined(inner.divergence, [chunk]),
    hiddenGradient: joined(inner.hiddenGradient, [chunk, width]),
  };
  const start = carried ? [onnx.node('ConstantOfShape', [onnx.integers(headShape)])] : [];
  onnx.node('Scan', [...start, ...scanned], {
    attributes: { body: { graph: body }, num_scan_inputs: scanned.length },
    outputs,
  });
  for (const [name, piece] of Object.entries(pieces)) {
    if (!piece) continue;
    results[name as keyof typeof pieces] = onnx.node('Reshape', [piece.stacked, onnx.integers(piece.shape)]);
  }
  return results;
}

function lowerChunk(
  onnx: OnnxGraph,
  inputs: LossHeadNames,
  { tokens, width, vocabulary }: LossHeadSizes,
  options: LossHeadOptions,
  { product, logSoftmax }: LossHeadStyle,
): LossHeadResults {
  const column = (x: string) => onnx.node('Unsqueeze', [x, onnx.integers([1])]);
  const logitsOf = (hidden: string, head: string) =>
    product(onnx, [hidden, head], { rows: tokens, inner: width, columns: vocabulary }, { transposeB: true });

  const logits = logitsOf(inputs.hidden, inputs.head);
  const logProbabilities = logSoftmax(onnx, logits);
  const probabilities = onnx.node('Exp', [logProbabilities]);
  const labels = column(inputs.labels);
  const picked = onnx.node('GatherElements', [logProbabilities, labels], { attributes: { axis: 1 } });
  const outputs: LossHeadResults = {
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
      logSoftmax,
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
      const shape = { rows: tokens, inner: vocabulary, columns: width };
      outputs.hiddenGradient = onnx.node('Mul', [product(onnx, [logitsGradient, inputs.head], shape), weights]);
    }
    if (options.wantsHead) {
      const weighted = onnx.node('Mul', [inputs.hidden, weights]);
      const shape = { rows: vocabulary, inner: tokens, columns: width };
      outputs.headGradient = product(onnx, [logitsGradient, weighted], shape, { transposeA: true });
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
function lowerDivergence(
  onnx: OnnxGraph,
  tuned: Tuned,
  baseLogits: string,
  { direction, temperature }: LossHeadOptions,
  logSoftmax: LossHeadStyle['logSoftmax'],
) {
  const cooled = (logits: string) => logSoftmax(onnx, onnx.node('Mul', [logits, onnx.scalar(1 / temperature)]));
  const logTuned = temperature === 1 ? tuned.logProbabilities : cooled(tuned.logits);
  const probTuned = temperature === 1 ? tuned.probabilities : onnx.node('Exp', [logTuned]);
  const logBase = temperature === 1 ? logSoftmax(onnx, baseLogits) : cooled(baseLogits);
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
