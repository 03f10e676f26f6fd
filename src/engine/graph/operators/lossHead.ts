/**
 * From hidden states to losses in one operator, so that a runtime can work through the tokens in chunks and never holds
 * (tokens, vocabulary) as a whole, let alone twice. It makes its own gradients in the same pass: the tokens' weights
 * are known beforehand.
 *
 * N tokens, d width, V vocabulary
 */
import { EngineError } from '../../engineError.ts';
import { type Operator, size, type Tensor, type TensorType } from '../graph.ts';
import { expectType } from './broadcast.ts';
import { mul } from './elementwise.ts';

export type Direction = 'forward' | 'reverse';

export interface Teacher {
  /** (N, d) and (V, d): the base model's hidden states and head weights. */
  hidden: Tensor;
  head: Tensor;
  /** (N) what KL counts beside the cross-entropy of the same token; any factor T² is in here. */
  ratio: Tensor;
  /** forward: KL(base ‖ tuned). reverse: KL(tuned ‖ base). */
  direction: Direction;
  temperature: number;
}

export interface LossHeadInputs {
  hidden: Tensor;
  head: Tensor;
  /** (N) i32, within the vocabulary also where the weight is 0. */
  labels: Tensor;
  /** (N) weight of each token in the objective. */
  weights: Tensor;
  teacher?: Teacher;
  /** Without it, the objective is the KL part alone. */
  crossEntropy?: boolean;
}

export interface Losses {
  /** Σ weights · (crossEntropy + ratio · divergence), a scalar. The only output that can be differentiated. */
  objective: Tensor;
  /** (N) −log p(label), in nats. */
  crossEntropy: Tensor;
  /** (N) KL at the temperature, in nats; only with a teacher. */
  divergence?: Tensor;
}

/** Places of the inputs and outputs in the node. */
export const lossHeadInputs = { hidden: 0, head: 1, labels: 2, weights: 3, ratio: 4, teacherHidden: 5, teacherHead: 6 };
export const lossHeadOutputs = { objective: 0, crossEntropy: 1, hiddenGradient: 2, headGradient: 3, divergence: 4 };

const lossHeadOperator: Operator = {
  name: 'lossHead',
  type: inputs => {
    const [hidden, head, labels, weights, ratio, hidden0, head0] = inputs;
    for (const tensor of [hidden, head]) expectType('lossHead', tensor, 'f32', 2);
    expectType('lossHead', labels, 'i32', 1);
    expectType('lossHead', weights, 'f32', 1);
    const [tokens, width] = hidden!.shape as [number, number];
    const misfit = (reason: string) => new EngineError('graph', `lossHead: ${reason}`);
    if (head!.shape[1] !== width) throw misfit(`hidden [${hidden!.shape}] does not fit head [${head!.shape}]`);
    for (const perToken of [labels, weights, ...(ratio ? [ratio] : [])]) {
      if (perToken!.shape[0] !== tokens) throw misfit(`[${perToken!.shape}] is not one value for ${tokens} tokens`);
    }
    if (ratio && (hidden0?.shape[0] !== tokens || head0?.shape[0] !== head!.shape[0])) {
      throw misfit('the teacher has other tokens or another vocabulary');
    }
    const types: TensorType[] = [[], [tokens], hidden!.shape, head!.shape, ...(ratio ? [[tokens]] : [])].map(shape => ({
      shape,
      dtype: 'f32',
    }));
    return types;
  },
  gradient: ({ outputs, gradients, wants, inputs }) => {
    const dy = gradients[lossHeadOutputs.objective];
    if (!dy) throw new EngineError('graph', 'lossHead: only the objective can be differentiated');
    return inputs.map((_, i) => {
      if (!wants[i]) return undefined;
      if (i === lossHeadInputs.hidden) return mul(dy, outputs[lossHeadOutputs.hiddenGradient]!);
      if (i === lossHeadInputs.head) return mul(dy, outputs[lossHeadOutputs.headGradient]!);
      throw new EngineError('graph', 'lossHead: nothing flows back to labels, weights or the teacher');
    });
  },
  flops: ([hidden, head, , , ratio]) => (ratio ? 8 : 6) * size(hidden!.shape) * head!.shape[0]!,
};

export function lossHead({ hidden, head, labels, weights, teacher, crossEntropy = true }: LossHeadInputs): Losses {
  const inputs = [hidden, head, labels, weights, ...(teacher ? [teacher.ratio, teacher.hidden, teacher.head] : [])];
  const { direction = 'forward', temperature = 1 } = teacher ?? {};
  if (!crossEntropy && !teacher) throw new EngineError('graph', 'lossHead: nothing to minimise');
  const outputs = hidden.graph.apply(lossHeadOperator, inputs, { crossEntropy, direction, temperature });
  return {
    objective: outputs[lossHeadOutputs.objective]!,
    crossEntropy: outputs[lossHeadOutputs.crossEntropy]!,
    divergence: outputs[lossHeadOutputs.divergence],
  };
}
