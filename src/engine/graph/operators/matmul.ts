/** Matrix products over the last two axes. */
import { EngineError } from '../../engineError.ts';
import { type Operator, type Shape, size, type Tensor } from '../graph.ts';
import { broadcastShape, expectType } from './broadcast.ts';
import { sumTo } from './reduce.ts';

export interface MatmulOptions {
  /** Use the transpose of a, of b. */
  transposeA?: boolean;
  transposeB?: boolean;
  /** The product is multiplied by this number. */
  scale?: number;
}

const lastTwo = (shape: Shape, swapped: boolean): [number, number] => {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return swapped ? [columns, rows] : [rows, columns];
};

const matmulOperator: Operator = {
  name: 'matmul',
  type: ([a, b], { transposeA, transposeB }) => {
    expectType('matmul', a, 'f32');
    expectType('matmul', b, 'f32');
    if (a!.shape.length < 2 || b!.shape.length < 2) throw new EngineError('graph', 'matmul takes at least two axes');
    const [m, k] = lastTwo(a!.shape, transposeA as boolean);
    const [k2, n] = lastTwo(b!.shape, transposeB as boolean);
    if (k !== k2) throw new EngineError('graph', `matmul: [${a!.shape}] and [${b!.shape}] do not fit`);
    const batch = broadcastShape('matmul', a!.shape.slice(0, -2), b!.shape.slice(0, -2));
    return [{ shape: [...batch, m, n], dtype: 'f32' }];
  },
  gradient: ({ inputs: [a, b], attributes, gradients: [dy], wants }) => {
    const { transposeA, transposeB, scale } = attributes as Required<MatmulOptions>;
    // With A = a or aᵀ and B likewise: dA = dy·Bᵀ, dB = Aᵀ·dy; a transposed input gets the transposed gradient.
    const da = () =>
      transposeA
        ? matmul(b!, dy!, { transposeA: transposeB, transposeB: true, scale })
        : matmul(dy!, b!, { transposeB: !transposeB, scale });
    const db = () =>
      transposeB
        ? matmul(dy!, a!, { transposeA: true, transposeB: transposeA, scale })
        : matmul(a!, dy!, { transposeA: !transposeA, scale });
    return [wants[0] ? sumTo(da(), a!.shape) : undefined, wants[1] ? sumTo(db(), b!.shape) : undefined];
  },
  flops: ([a], [y], { transposeA }) => 2 * size(y!.shape) * lastTwo(a!.shape, transposeA as boolean)[1],
};

/** y = scale · a · b; leading axes broadcast. */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, scale = 1 } = options;
  return a.graph.apply(matmulOperator, [a, b], { transposeA, transposeB, scale })[0]!;
}
