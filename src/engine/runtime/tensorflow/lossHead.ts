/**
 * The loss head in operations of TensorFlow: logits, losses and their gradients of one chunk of tokens after the other,
 * so that only one chunk's logits exist at a time.
 *
 * N tokens, V vocabulary
 */
import { lossHeadInputs } from '../../graph/operators/lossHead.ts';
import type { RuleArguments } from './lower.ts';
import type { Operations } from './operations.ts';
import type { TfTensor } from './tfjs.ts';

/** Logits of a chunk: 64 MiB. */
const chunkElements = 2 ** 24;

/** Parts of the chunks that are joined, or summed. */
interface ChunkResults {
  crossEntropy: TfTensor;
  divergence?: TfTensor;
  /** Σ weights · terms. */
  objective: TfTensor;
  hiddenGradient?: TfTensor;
  headGradient?: TfTensor;
}

/** In the order of lossHeadOutputs. */
export function runLossHead(args: RuleArguments): (TfTensor | undefined)[] {
  const { tf, inputs } = args;
  const [tokens, vocabulary] = [inputs[lossHeadInputs.hidden]!.shape[0]!, inputs[lossHeadInputs.head]!.shape[0]!];
  const rows = Math.max(1, Math.floor(chunkElements / vocabulary));
  const chunks: ChunkResults[] = [];
  for (let from = 0; from < tokens; from += rows) {
    const chunk = tidyResults(tf, () => runChunk(args, from, Math.min(tokens, from + rows)));
    const before = chunks.at(-1);
    chunks.push(chunk);
    if (before?.headGradient) {
      const sum = tf.add(before.headGradient, chunk.headGradient!);
      for (const part of [before, chunk]) {
        part.headGradient!.dispose();
        part.headGradient = undefined;
      }
      chunk.headGradient = sum;
    }
  }
  const joined = (parts: (TfTensor | undefined)[]) => {
    const known = parts.filter(part => part !== undefined);
    return known.length > 1 ? tf.concat(known, 0) : known[0];
  };
  return [
    chunks.map(chunk => chunk.objective).reduce(tf.add),
    joined(chunks.map(chunk => chunk.crossEntropy)),
    joined(chunks.map(chunk => chunk.hiddenGradient)),
    chunks.at(-1)!.headGradient,
    joined(chunks.map(chunk => chunk.divergence)),
  ];
}

/** Frees what a chunk leaves behind. */
function tidyResults(tf: Operations, work: () => ChunkResults): ChunkResults {
  let results: ChunkResults | undefined;
  tf.tfjs.tidy(() => {
    results = work();
    return Object.values(results).filter((tensor): tensor is TfTensor => tensor !== undefined);
  });
  return results!;
}

function runChunk({ tf, inputs, attributes, wants }: RuleArguments, from: number, to: number): ChunkResults {
  const at = lossHeadInputs;
  const part = (place: number) => {
    const whole = inputs[place]!;
    return to - from === whole.shape[0] ? whole : tf.slice(whole, 0, from, to);
  };
  const column = (x: TfTensor) => tf.reshape(x, [to - from, 1]);
  const [hidden, head, weights] = [part(at.hidden), inputs[at.head]!, part(at.weights)];
  const logits = tf.matmul(hidden, head, { transposeB: true });
  const [crossEntropy, slope] = tf.runAll('SparseSoftmaxCrossEntropyWithLogits', [logits, part(at.labels)], 2, {
    ...{ T: 'float32', Tlabels: 'int32' },
  }) as [TfTensor, TfTensor];

  let terms = attributes.crossEntropy ? crossEntropy : undefined;
  let logitsGradient = attributes.crossEntropy ? slope : undefined;
  let divergence: TfTensor | undefined;
  if (inputs[at.ratio]) {
    const baseLogits = tf.matmul(part(at.teacherHidden), inputs[at.teacherHead]!, { transposeB: true });
    const ratio = part(at.ratio);
    const kl = divergenceOf(tf, logits, baseLogits, attributes.direction as string, attributes.temperature as number);
    divergence = kl.value;
    const [penalty, share] = [tf.mul(divergence, ratio), tf.mul(kl.gradient, column(ratio))];
    terms = terms ? tf.add(terms, penalty) : penalty;
    logitsGradient = logitsGradient ? tf.add(logitsGradient, share) : share;
  }
  const [, , wantsHidden, wantsHead] = wants;
  const weightColumn = column(weights);
  return {
    crossEntropy,
    divergence,
    objective: tf.sum(tf.mul(terms!, weights), [0], false),
    hiddenGradient: wantsHidden ? tf.mul(tf.matmul(logitsGradient!, head), weightColumn) : undefined,
    headGradient: wantsHead
      ? tf.matmul(logitsGradient!, tf.mul(hidden, weightColumn), { transposeA: true })
      : undefined,
  };
}

/** KL of each token and its gradient with respect to the tuned logits. */
function divergenceOf(tf: Operations, logits: TfTensor, base: TfTensor, direction: string, temperature: number) {
  const cooled = (x: TfTensor) => tf.unary('LogSoftmax', tf.scale(x, 1 / temperature));
  const [logTuned, logBase] = [cooled(logits), cooled(base)];
  const [tuned, overT] = [tf.unary('Exp', logTuned), (x: TfTensor) => tf.scale(x, 1 / temperature)];
  if (direction === 'forward') {
    const probabilities = tf.unary('Exp', logBase);
    return {
      value: tf.sum(tf.mul(probabilities, tf.sub(logBase, logTuned)), [1], false),
      gradient: overT(tf.sub(tuned, probabilities)),
    };
  }
  const terms = tf.mul(tuned, tf.sub(logTuned, logBase));
  return {
    value: tf.sum(terms, [1], false),
    gradient: overT(tf.sub(terms, tf.mul(tuned, tf.sum(terms, [1], true)))),
  };
}
