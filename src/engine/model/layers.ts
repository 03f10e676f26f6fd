/**
 * The decoder's two non-linear parts, each differentiated as one, which saves passes over the large tensors.
 *
 * B rows, T length, C columns looked at, N = B·T tokens, H heads, K key-value heads, R = H/K, W head width
 */
import type { Tensor } from '../graph/graph.ts';
import { add, mul, sigmoid, sub } from '../graph/operators/elementwise.ts';
import { matmul } from '../graph/operators/matmul.ts';
import { softmax } from '../graph/operators/normalize.ts';
import { sum } from '../graph/operators/reduce.ts';
import { broadcastTo, concat, reshape, transpose } from '../graph/operators/shape.ts';

/** silu(gate) ∘ up */
export function swiGlu(gate: Tensor, up: Tensor): Tensor {
  const { graph } = gate;
  return graph.composite([gate, up], () => {
    const gateSigmoid = sigmoid(gate);
    const silu = mul(gate, gateSigmoid);
    const y = mul(silu, up);
    return {
      outputs: [y],
      // With s the sigmoid: silu' = s + silu·(1 − s), so up·silu' = s·(up − y) + y.
      gradient: ({ gradients: [dy], wants }) => [
        wants[0] ? mul(dy!, add(mul(gateSigmoid, sub(up, y)), y)) : undefined,
        wants[1] ? mul(dy!, silu) : undefined,
      ],
    };
  })[0]!;
}

export interface AttentionShape {
  rows: number;
  length: number;
  columns: number;
  heads: number;
  keyValueHeads: number;
  headWidth: number;
}

/**
 * Grouped-query attention. q (B, T, H·W), k and v (B, C, K·W), mask (B, 1, T, C) added to the scores → (B·T, H·W).
 * The R query heads of a key-value head are stacked as more rows, so that keys are not repeated.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, shape: AttentionShape): Tensor {
  const { rows: B, length: T, columns: C, heads: H, keyValueHeads: K, headWidth: W } = shape;
  const R = H / K;
  const options = { scale: 1 / Math.sqrt(W) };
  const byHead = (x: Tensor, length: number, heads: number) =>
    transpose(reshape(x, [B, length, heads, W]), [0, 2, 1, 3]);
  const stacked = (x: Tensor) => reshape(x, [B, K, R * T, x.shape.at(-1)!]);
  const queries = (x: Tensor) => stacked(byHead(x, T, H));
  const fromQueries = (x: Tensor) => reshape(transpose(reshape(x, [B, H, T, W]), [0, 2, 1, 3]), [B, T, H * W]);
  const fromKeys = (x: Tensor) => reshape(transpose(x, [0, 2, 1, 3]), [B, C, K * W]);

  return q.graph.composite([q, k, v], () => {
    const [q_BKRW, k_BKCW, v_BKCW] = [queries(q), byHead(k, C, K), byHead(v, C, K)];
    const scores = matmul(q_BKRW, k_BKCW, { transposeB: true, ...options });
    const p_BKRC = stacked(softmax(add(reshape(scores, [B, H, T, C]), mask)));
    const o_BKRW = matmul(p_BKRC, v_BKCW);
    return {
      outputs: [reshape(fromQueries(o_BKRW), [B * T, H * W])],
      gradient: ({ gradients: [dy], wants }) => {
        const do_BKRW = queries(reshape(dy!, [B, T, H * W]));
        const dv = () => fromKeys(matmul(p_BKRC, do_BKRW, { transposeA: true }));
        if (!wants[0] && !wants[1]) return [undefined, undefined, dv()];
        // ds = p ∘ (dp − Σ p ∘ dp), and Σ over keys of p ∘ dp equals Σ over the head's width of o ∘ do. As one more column
        // beside the head's width it is taken away within the product, which saves a pass over the scores.
        const pull = sum(mul(o_BKRW, do_BKRW), [-1]);
        const minusOne = broadcastTo(q.graph.scalar(-1), [B, K, C, 1]);
        const pulled = matmul(concat([do_BKRW, pull], -1), concat([v_BKCW, minusOne], -1), { transposeB: true });
        const ds = mul(p_BKRC, pulled);
        return [
          wants[0] ? fromQueries(matmul(ds, k_BKCW, options)) : undefined,
          wants[1] ? fromKeys(matmul(ds, q_BKRW, { transposeA: true, ...options })) : undefined,
          wants[2] ? dv() : undefined,
        ];
      },
    };
  })[0]!;
}
