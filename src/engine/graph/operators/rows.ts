/** Looking up rows of a table by number, and its reverse. Numbers must lie within the table. */
import { EngineError } from '../../engineError.ts';
import { type Operator, size, type Tensor } from '../graph.ts';
import { expectType } from './broadcast.ts';

const gatherRowsOperator: Operator = {
  name: 'gatherRows',
  type: ([table, ids]) => {
    expectType('gatherRows', table, 'f32', 2);
    expectType('gatherRows', ids, 'i32', 1);
    return [{ shape: [ids!.shape[0]!, table!.shape[1]!], dtype: 'f32' }];
  },
  gradient: ({ inputs: [table, ids], gradients: [dy] }) => [addRows(dy!, ids!, table!.shape[0]!), undefined],
  flops: () => 0,
};
/** (rows, d), (N) → (N, d): row ids[i] of the table. */
export const gatherRows = (table: Tensor, ids: Tensor): Tensor =>
  table.graph.apply(gatherRowsOperator, [table, ids])[0]!;

const addRowsOperator: Operator = {
  name: 'addRows',
  type: ([values, ids], { rows }) => {
    expectType('addRows', values, 'f32', 2);
    expectType('addRows', ids, 'i32', 1);
    if (values!.shape[0] !== ids!.shape[0]) {
      throw new EngineError('graph', `addRows: [${values!.shape}] and [${ids!.shape}] do not fit`);
    }
    return [{ shape: [rows as number, values!.shape[1]!], dtype: 'f32' }];
  },
  gradient: ({ inputs: [, ids], gradients: [dy] }) => [gatherRows(dy!, ids!), undefined],
  flops: ([values]) => size(values!.shape),
};
/** (N, d), (N) → (rows, d): each value row is added to row ids[i] of zeros, in the order of i. */
export const addRows = (values: Tensor, ids: Tensor, rows: number): Tensor =>
  values.graph.apply(addRowsOperator, [values, ids], { rows })[0]!;
