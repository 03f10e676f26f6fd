/** Operators that work element by element; binary ones broadcast. */
import { EngineError } from '../../engineError.ts';
import { isScalar, type Operator, type Tensor } from '../graph.ts';
import { broadcastShape, expectType } from './broadcast.ts';
import { sumTo } from './reduce.ts';

type BinaryGradient = (a: Tensor, b: Tensor, y: Tensor, dy: Tensor) => [() => Tensor, () => Tensor];

function binary(name: string, gradient: BinaryGradient) {
  const operator: Operator = {
    name,
    type: ([a, b]) => {
      expectType(name, a, 'f32');
      expectType(name, b, 'f32');
      return [{ shape: broadcastShape(name, a!.shape, b!.shape), dtype: 'f32' }];
    },
    gradient: ({ inputs: [a, b], outputs: [y], gradients: [dy], wants }) =>
      gradient(a!, b!, y!, dy!).map((build, i) => (wants[i] ? sumTo(build(), [a!, b!][i]!.shape) : undefined)),
  };
  return (a: Tensor, b: Tensor): Tensor => a.graph.apply(operator, [a, b])[0]!;
}

function unary(name: string, gradient: (x: Tensor, y: Tensor, dy: Tensor) => Tensor) {
  const operator: Operator = {
    name,
    type: ([x]) => {
      expectType(name, x, 'f32');
      return [{ shape: x!.shape, dtype: 'f32' }];
    },
    gradient: ({ inputs: [x], outputs: [y], gradients: [dy] }) => [gradient(x!, y!, dy!)],
  };
  return (x: Tensor): Tensor => x.graph.apply(operator, [x])[0]!;
}

export const add = binary('add', (_a, _b, _y, dy) => [() => dy, () => dy]);
export const sub = binary('sub', (_a, _b, _y, dy) => [() => dy, () => neg(dy)]);
const product = binary('mul', (a, b, _y, dy) => [() => mul(dy, b), () => mul(dy, a)]);
export const div = binary('div', (_a, b, y, dy) => [() => div(dy, b), () => neg(div(mul(dy, y), b))]);

/** a · b; the constant scalar 1 costs nothing. */
export function mul(a: Tensor, b: Tensor): Tensor {
  if (isScalar(a, 1)) return b;
  if (isScalar(b, 1)) return a;
  return product(a, b);
}

/** x · value */
export const scale = (x: Tensor, value: number): Tensor => mul(x, x.graph.scalar(value));

export const neg = unary('neg', (_x, _y, dy) => neg(dy));
export const exp = unary('exp', (_x, y, dy) => mul(dy, y));
export const log = unary('log', (x, _y, dy) => div(dy, x));
export const sqrt = unary('sqrt', (_x, y, dy) => scale(div(dy, y), 0.5));
export const reciprocal = unary('reciprocal', (_x, y, dy) => neg(mul(dy, mul(y, y))));
/** 1 / (1 + e^−x) */
export const sigmoid = unary('sigmoid', (x, y, dy) => mul(dy, mul(y, sub(x.graph.scalar(1), y))));

/** min(a, b); the gradient goes to the smaller, to a where they are equal. */
export const minimum = binary('minimum', (a, b, _y, dy) => {
  const zero = dy.graph.scalar(0);
  return [() => where(lessOrEqual(a, b), dy, zero), () => where(lessOrEqual(a, b), zero, dy)];
});

function comparison(name: string) {
  const operator: Operator = {
    name,
    type: ([a, b]) => {
      if (a!.dtype !== b!.dtype || a!.dtype === 'bool') {
        throw new EngineError('graph', `${name} compares equal number types, not ${a!.dtype} with ${b!.dtype}`);
      }
      return [{ shape: broadcastShape(name, a!.shape, b!.shape), dtype: 'bool' }];
    },
  };
  return (a: Tensor, b: Tensor): Tensor => a.graph.apply(operator, [a, b])[0]!;
}

export const equal = comparison('equal');
export const lessOrEqual = comparison('lessOrEqual');

const andOperator: Operator = {
  name: 'and',
  type: ([a, b]) => {
    expectType('and', a, 'bool');
    expectType('and', b, 'bool');
    return [{ shape: broadcastShape('and', a!.shape, b!.shape), dtype: 'bool' }];
  },
};
export const and = (a: Tensor, b: Tensor): Tensor => a.graph.apply(andOperator, [a, b])[0]!;

const whereOperator: Operator = {
  name: 'where',
  type: ([condition, a, b]) => {
    expectType('where', condition, 'bool');
    expectType('where', a, 'f32');
    expectType('where', b, 'f32');
    const shape = broadcastShape('where', condition!.shape, broadcastShape('where', a!.shape, b!.shape));
    return [{ shape, dtype: 'f32' }];
  },
  gradient: ({ inputs: [condition, a, b], gradients: [dy], wants }) => {
    const zero = dy!.graph.scalar(0);
    return [
      undefined,
      wants[1] ? sumTo(where(condition!, dy!, zero), a!.shape) : undefined,
      wants[2] ? sumTo(where(condition!, zero, dy!), b!.shape) : undefined,
    ];
  },
};
/** a where the condition holds, else b. */
export const where = (condition: Tensor, a: Tensor, b: Tensor): Tensor =>
  a.graph.apply(whereOperator, [condition, a, b])[0]!;
