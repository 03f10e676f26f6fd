/**
 * The Llama-family decoder as graph nodes: token ids to hidden states. Knows nothing of adapters, training or files; it
 * asks `parameters` for its weights.
 *
 * B rows, T length, N = B·T tokens, D width, C columns that attention may look at: T, or more where some came before
 */
import type { Graph, Tensor } from '../graph/graph.ts';
import { add, and, equal, lessOrEqual, where } from '../graph/operators/elementwise.ts';
import { rmsNorm } from '../graph/operators/normalize.ts';
import { rotate } from '../graph/operators/rotate.ts';
import { gatherRows } from '../graph/operators/rows.ts';
import { reshape } from '../graph/operators/shape.ts';
import { recomputed } from '../graph/recompute.ts';
import { attention, swiGlu } from './layers.ts';
import type { ModelConfig } from './modelConfig.ts';
import { embeddingName, hasBias, type Parameters } from './parameters.ts';
import { ropeFrequencies } from './ropeScaling.ts';

export interface BatchShape {
  rows: number;
  length: number;
}

/** What all passes over one batch share. */
export interface DecoderInputs extends BatchShape {
  ids_N: Tensor;
  positions_BT: Tensor;
  /** (B, 1, T, C): 0 where a token may look, a large negative number elsewhere. */
  mask_B1TC: Tensor;
  cos: Tensor;
  sin: Tensor;
  /** Layers keep their input alone for the way back, and what they made of it is made again. */
  recomputes?: boolean;
  /** Where a text is continued: from a layer's own keys and values (B, T, …) to those of all columns (B, C, …). */
  remember?: (layer: string, own: KeysAndValues) => KeysAndValues;
}

export interface KeysAndValues {
  keys: Tensor;
  values: Tensor;
}

const outOfSight = -1e9;

export function decoderInputs(graph: Graph, config: ModelConfig, { rows: B, length: T }: BatchShape): DecoderInputs {
  const ids = graph.input('ids', 'batch', [B, T], 'i32');
  const positions_BT = graph.input('positions', 'batch', [B, T], 'i32');
  const segments = graph.input('segments', 'batch', [B, T], 'i32');
  const index = graph.constant(
    Int32Array.from({ length: T }, (_, i) => i),
    [T],
  );
  const sameDocument = equal(reshape(segments, [B, 1, T, 1]), reshape(segments, [B, 1, 1, T]));
  const notLater = lessOrEqual(reshape(index, [1, 1, 1, T]), reshape(index, [1, 1, T, 1]));
  return {
    rows: B,
    length: T,
    ids_N: reshape(ids, [B * T]),
    positions_BT,
    mask_B1TC: maskOf(graph, and(sameDocument, notLater)),
    ...rotationTables(graph, config, T),
  };
}

export const maskOf = (graph: Graph, maySee: Tensor): Tensor =>
  where(maySee, graph.scalar(0), graph.scalar(outOfSight));

/** Positions restart in each document, so that no position reaches the row's length. */
export function rotationTables(graph: Graph, { headWidth, rope }: ModelConfig, length: number) {
  const pairs = headWidth / 2;
  const frequencies = ropeFrequencies(rope, pairs);
  const angle = (i: number) => Math.floor(i / pairs) * frequencies[i % pairs]!;
  const table = (of: (angle: number) => number) =>
    graph.constant(
      Float32Array.from({ length: length * pairs }, (_, i) => of(angle(i))),
      [length, pairs],
    );
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

/** Hidden states after the last norm, (N, D). */
export function decoder(config: ModelConfig, parameters: Parameters, inputs: DecoderInputs): Tensor {
  const norm = (x: Tensor, name: string) => rmsNorm(x, parameters.weight(`${name}.weight`), config.normEpsilon);
  const layer = (name: string, x_ND: Tensor): Tensor => {
    const h_ND = norm(x_ND, `${name}.input_layernorm`);
    const attended_ND = add(x_ND, selfAttention(config, parameters, inputs, `${name}.self_attn`, h_ND));
    const g_ND = norm(attended_ND, `${name}.post_attention_layernorm`);
    return add(attended_ND, feedForward(config, parameters, `${name}.mlp`, g_ND));
  };
  let x_ND = gatherRows(parameters.weight(embeddingName), inputs.ids_N);
  for (let i = 0; i < config.layers; i++) {
    const build = (x: Tensor): Tensor => layer(`model.layers.${i}`, x);
    x_ND = inputs.recomputes ? recomputed(x_ND, build) : build(x_ND);
  }
  return norm(x_ND, 'model.norm');
}

function selfAttention(config: ModelConfig, parameters: Parameters, inputs: DecoderInputs, name: string, h_ND: Tensor) {
  const { rows, length, positions_BT, mask_B1TC, cos, sin, remember } = inputs;
  const { heads, keyValueHeads, headWidth, headNorms, normEpsilon } = config;
  const project = (map: string) => linear(config, parameters, `${name}.${map}`, h_ND);
  const flat = (x: Tensor, count: number) => reshape(x, [rows, length, count * headWidth]);
  const normed = (x: Tensor, count: number, norm: string) =>
    headNorms
      ? rmsNorm(reshape(x, [rows * length, count, headWidth]), parameters.weight(`${name}.${norm}.weight`), normEpsilon)
      : x;
  const turned = (x: Tensor, count: number) => rotate(flat(x, count), positions_BT, cos, sin);
  const q = turned(normed(project('q_proj'), heads, 'q_norm'), heads);
  const k = turned(normed(project('k_proj'), keyValueHeads, 'k_norm'), keyValueHeads);
  const v = flat(project('v_proj'), keyValueHeads);
  const { keys, values } = remember ? remember(name, { keys: k, values: v }) : { keys: k, values: v };
  const shape = { rows, length, columns: keys.shape[1]!, heads, keyValueHeads, headWidth };
  const mixed = attention(q, keys, values, mask_B1TC, shape);
  return linear(config, parameters, `${name}.o_proj`, mixed);
}

function feedForward(config: ModelConfig, parameters: Parameters, name: string, h_ND: Tensor): Tensor {
  const gate = linear(config, parameters, `${name}.gate_proj`, h_ND);
  const up = linear(config, parameters, `${name}.up_proj`, h_ND);
  return linear(config, parameters, `${name}.down_proj`, swiGlu(gate, up));
}

function linear(config: ModelConfig, parameters: Parameters, name: string, x: Tensor): Tensor {
  const y = parameters.linear(name, x);
  return hasBias(config, name) ? add(y, parameters.weight(`${name}.bias`)) : y;
}
