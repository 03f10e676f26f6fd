/**
 * The decoder for texts that are written token by token: the keys and values of earlier tokens are kept as state, so that
 * one more token costs one token. Graphs only; which token stands in which column is the host's business.
 *
 * B rows, C columns, K key-value heads, W head width
 */
import type { Graph, Shape, Tensor } from '../graph/graph.ts';
import { equal, where } from '../graph/operators/elementwise.ts';
import { reshape } from '../graph/operators/shape.ts';
import { type BatchShape, type DecoderInputs, decoderInputs, maskOf, rotationTables } from './decoder.ts';
import type { ModelConfig } from './modelConfig.ts';

const keysName = (layer: string): string => `${layer}.keys`;
const valuesName = (layer: string): string => `${layer}.values`;

/** State tensors that hold what came before, all of one shape. */
export function rememberedState(config: ModelConfig, shape: BatchShape): { names: string[]; shape: Shape } {
  const layers = Array.from({ length: config.layers }, (_, layer) => `model.layers.${layer}.self_attn`);
  return {
    names: layers.flatMap(layer => [keysName(layer), valuesName(layer)]),
    shape: rememberedShape(config, shape),
  };
}

const rememberedShape = ({ keyValueHeads, headWidth }: ModelConfig, { rows, length }: BatchShape): Shape => [
  rows,
  length,
  keyValueHeads * headWidth,
];

/** Whole beginnings of texts: every column's keys and values are kept. */
export function beginningInputs(graph: Graph, config: ModelConfig, shape: BatchShape): DecoderInputs {
  const keep = (name: string, value: Tensor): Tensor => {
    graph.input(name, 'state', rememberedShape(config, shape));
    graph.update(name, value);
    return value;
  };
  return {
    ...decoderInputs(graph, config, shape),
    remember: (layer, { keys, values }) => ({
      keys: keep(keysName(layer), keys),
      values: keep(valuesName(layer), values),
    }),
  };
}

/** One more token a row, which goes into the column `at` and sees those of its own text. */
export function nextInputs(graph: Graph, config: ModelConfig, shape: BatchShape): DecoderInputs {
  const { rows: B, length: C } = shape;
  const ids = graph.input('ids', 'batch', [B], 'i32');
  const positions_BT = graph.input('positions', 'batch', [B, 1], 'i32');
  const text = graph.input('text', 'batch', [B, 1, 1, 1], 'i32');
  const texts = graph.input('texts', 'batch', [B, 1, 1, C], 'i32');
  const at = graph.input('at', 'batch', [B, 1, 1], 'i32');
  const columns = graph.constant(
    Int32Array.from({ length: C }, (_, i) => i),
    [1, C, 1],
  );
  const isHere = equal(at, columns);
  const put = (name: string, value: Tensor): Tensor => {
    const before = graph.input(name, 'state', rememberedShape(config, shape));
    const after = where(isHere, value, before);
    graph.update(name, after);
    return after;
  };
  return {
    rows: B,
    length: 1,
    ids_N: reshape(ids, [B]),
    positions_BT,
    mask_B1TC: maskOf(graph, equal(text, texts)),
    ...rotationTables(graph, config, C),
    remember: (layer, { keys, values }) => ({
      keys: put(keysName(layer), keys),
      values: put(valuesName(layer), values),
    }),
  };
}
