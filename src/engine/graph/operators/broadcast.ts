/** Shapes as NumPy broadcasts them, and checks that operators share. */
import { EngineError } from '../../engineError.ts';
import type { DType, Shape, Tensor } from '../graph.ts';

export function broadcastShape(operator: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new EngineError('graph', `${operator}: [${a}] and [${b}] do not fit`);
    return Math.max(x, y);
  });
}

export function expectType(operator: string, tensor: Tensor | undefined, dtype: DType, rank?: number): void {
  if (!tensor) throw new EngineError('graph', `${operator} misses an input`);
  if (tensor.dtype !== dtype) throw new EngineError('graph', `${operator} takes ${dtype}, not ${tensor.dtype}`);
  if (rank !== undefined && tensor.shape.length !== rank) {
    throw new EngineError('graph', `${operator} takes ${rank} axes, not [${tensor.shape}]`);
  }
}

/** Axes counted from the end become counted from the front. */
export function normalAxis(operator: string, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(normal) || normal < 0 || normal >= rank) {
    throw new EngineError('graph', `${operator}: there is no axis ${axis} in ${rank} axes`);
  }
  return normal;
}
