/**
 * How each graph operator becomes operations of TensorFlow. A rule may leave tensors behind: whoever calls it frees all
 * but its results.
 */
import { EngineError } from '../../engineError.ts';
import type { Attributes, Node } from '../../graph/graph.ts';
import { runLossHead } from './lossHead.ts';
import type { Operations } from './operations.ts';
import type { TfTensor } from './tfjs.ts';

export interface RuleArguments {
  tf: Operations;
  node: Node;
  inputs: readonly TfTensor[];
  attributes: Attributes;
  /** Which outputs somebody reads. */
  wants: readonly boolean[];
}
/** One tensor an output; undefined where nobody reads it. */
type Rule = (args: RuleArguments) => (TfTensor | undefined)[];

const unary =
  (name: string): Rule =>
  ({ tf, inputs: [x] }) => [tf.unary(name, x!)];

const binary =
  (name: string): Rule =>
  ({ tf, inputs: [a, b] }) => [tf.binary(name, a!, b!)];

const numbers = (value: unknown) => value as readonly number[];

const rules: Record<string, Rule> = {
  add: binary('AddV2'),
  sub: binary('Sub'),
  mul: binary('Mul'),
  div: binary('RealDiv'),
  minimum: binary('Minimum'),
  equal: binary('Equal'),
  lessOrEqual: binary('LessEqual'),
  and: ({ tf, inputs: [a, b] }) => [tf.run('LogicalAnd', [a!, b!])],
  neg: unary('Neg'),
  exp: unary('Exp'),
  log: unary('Log'),
  sqrt: unary('Sqrt'),
  reciprocal: unary('Reciprocal'),
  sigmoid: unary('Sigmoid'),
  softmax: unary('Softmax'),
  // Runs node by node, in their order, and keeps what was made for nobody.
  after: ({ tf, inputs: [x] }) => [tf.unary('Identity', x!)],
  where: ({ tf, inputs }) => [tf.run('SelectV2', [...inputs], { T: inputs[1]!.dtype })],
  sum: ({ tf, inputs: [x], attributes }) => [tf.sum(x!, numbers(attributes.axes), true)],
  // L2Loss is half the sum.
  sumSquares: ({ tf, inputs: [x] }) => [tf.scale(tf.unary('L2Loss', x!), 2)],
  reshape: ({ tf, inputs: [x], attributes }) => [tf.reshape(x!, numbers(attributes.shape))],
  transpose: ({ tf, inputs: [x], attributes }) => [
    tf.run('Transpose', [x!, tf.integers(numbers(attributes.order))], { T: x!.dtype, Tperm: 'int32' }),
  ],
  broadcastTo: ({ tf, inputs: [x], attributes }) => [
    tf.run('BroadcastTo', [x!, tf.integers(numbers(attributes.shape))], { T: x!.dtype, Tidx: 'int32' }),
  ],
  slice: ({ tf, inputs: [x], attributes }) => {
    const { axis, from, to } = attributes as { axis: number; from: number; to: number };
    return [tf.slice(x!, axis, from, to)];
  },
  concat: ({ tf, inputs, attributes }) => [tf.concat([...inputs], attributes.axis as number)],
  matmul: ({ tf, inputs: [a, b], attributes }) => [
    tf.scale(tf.matmul(a!, b!, attributes as { transposeA: boolean }), attributes.scale as number),
  ],
  gatherRows: ({ tf, inputs: [table, ids] }) => [tf.gather(table!, ids!)],
  addRows: ({ tf, inputs: [values, ids], attributes }) => [
    tf.run('UnsortedSegmentSum', [values!, ids!, tf.integer(attributes.rows as number)], {
      ...{ T: 'float32', Tindices: 'int32', Tnumsegments: 'int32' },
    }),
  ],
  rmsNorm: ({ tf, inputs: [x, weight], attributes }) => {
    const mean = tf.mean(tf.unary('Square', x!), [x!.shape.length - 1], true);
    const r = tf.unary('Rsqrt', tf.add(mean, tf.number(attributes.epsilon as number)));
    return [tf.mul(tf.mul(x!, r), weight!), r];
  },
  rotate: args => [rotate(args)],
  adamw: args => adamw(args),
  lossHead: args => runLossHead(args),
};

/** Within a head, the first half of the elements pairs with the second. */
function rotate({ tf, inputs: [x, positions, cos, sin], attributes }: RuleArguments): TfTensor {
  const [rows, length, width] = x!.shape as [number, number, number];
  const half = cos!.shape[1]!;
  const [tokens, heads] = [rows * length, width / (2 * half)];
  const ofTokens = (table: TfTensor) => tf.reshape(tf.gather(table, positions!), [tokens, 1, 1, half]);
  const [c, s] = [ofTokens(cos!), ofTokens(sin!)];
  const pairs = tf.reshape(x!, [tokens, heads, 2, half]);
  const [low, high] = [tf.slice(pairs, 2, 0, 1), tf.slice(pairs, 2, 1, 2)];
  const turned = attributes.backwards
    ? [tf.add(tf.mul(low, c), tf.mul(high, s)), tf.sub(tf.mul(high, c), tf.mul(low, s))]
    : [tf.sub(tf.mul(low, c), tf.mul(high, s)), tf.add(tf.mul(high, c), tf.mul(low, s))];
  return tf.reshape(tf.concat(turned, 2), x!.shape);
}

function adamw({ tf, inputs, attributes }: RuleArguments): TfTensor[] {
  const [weight, gradient, first, second] = inputs as [TfTensor, TfTensor, TfTensor, TfTensor];
  const [clip, stepSize, epsilon, keep] = inputs.slice(4) as [TfTensor, TfTensor, TfTensor, TfTensor];
  const { beta1, beta2 } = attributes as { beta1: number; beta2: number };
  const g = tf.mul(gradient, clip);
  const nextFirst = tf.add(tf.scale(first, beta1), tf.scale(g, 1 - beta1));
  const nextSecond = tf.add(tf.scale(second, beta2), tf.scale(tf.unary('Square', g), 1 - beta2));
  const change = tf.div(nextFirst, tf.add(tf.unary('Sqrt', nextSecond), epsilon));
  return [tf.sub(tf.mul(weight, keep), tf.mul(change, stepSize)), nextFirst, nextSecond];
}

/** Throws where an operator has no rule: before anything runs. */
export function ruleFor(name: string): Rule {
  const rule = rules[name];
  if (!rule) throw new EngineError('runtime', `TensorFlow has no rule for the operator ${name}`);
  return rule;
}
