/** Softmax and root-mean-square normalisation over the last axis. */
import { EngineError } from '../../engineError.ts';
import { type Operator, size, type Tensor } from '../graph.ts';
import { expectType } from './broadcast.ts';
import { mul, sub } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { sum } from './reduce.ts';
import { reshape } from './shape.ts';

const softmaxOperator: Operator = {
  name: 'softmax',
  type: ([x]) => {
    expectType('softmax', x, 'f32');
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  // dx = y ∘ (dy − Σ dy ∘ y)
  gradient: ({ outputs: [y], gradients: [dy] }) => [mul(y!, sub(dy!, sum(mul(dy!, y!), [-1])))],
  flops: (_, [y]) => 5 * size(y!.shape),
};
/** e^x / Σ e^x over the last axis. */
export const softmax = (x: Tensor): Tensor => x.graph.apply(softmaxOperator, [x])[0]!;

const rmsNormOperator: Operator = {
  name: 'rmsNorm',
  type: ([x, weight]) => {
    expectType('rmsNorm', x, 'f32');
    expectType('rmsNorm', weight, 'f32', 1);
    if (weight!.shape[0] !== x!.shape.at(-1)) {
      throw new EngineError('graph', `rmsNorm: weight [${weight!.shape}] does not fit [${x!.shape}]`);
    }
    return [
      { shape: x!.shape, dtype: 'f32' },
      { shape: [...x!.shape.slice(0, -1), 1], dtype: 'f32' },
    ];
  },
  // With t = dy∘x: dx = r·(dy∘w) − x · r³·mean(t∘w), dw = Σ over rows of r·t.
  gradient: ({ inputs: [x, weight], outputs: [, r], gradients: [dy], wants }) => {
    const width = x!.shape.at(-1)!;
    const rows = size(x!.shape) / width;
    const t = reshape(mul(dy!, x!), [rows, width]);
    const dx = () => {
      const mean = matmul(t, reshape(weight!, [width, 1]), { scale: 1 / width });
      const pull = mul(reshape(mean, r!.shape), mul(r!, mul(r!, r!)));
      return sub(mul(r!, mul(dy!, weight!)), mul(x!, pull));
    };
    const dw = () => reshape(matmul(reshape(r!, [1, rows]), t), weight!.shape);
    return [wants[0] ? dx() : undefined, wants[1] ? dw() : undefined];
  },
  flops: (_, [y]) => 4 * size(y!.shape),
};
/** y = x · r · weight with r = 1 / √(mean x² + epsilon) over the last axis; returns y and r. */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  return x.graph.apply(rmsNormOperator, [x, weight], { epsilon })[0]!;
}
