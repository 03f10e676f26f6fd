/** The graph of a session as an ONNX model: names for its inputs and results, its nodes in order. */
import { EngineError } from '../../engineError.ts';
import type { DType, Tensor } from '../../graph/graph.ts';
import { joinedRows } from './joinedNodes.ts';
import type { SessionGraph } from './largeUpdates.ts';
import { lowerJoinedRows, lowerNode, type Rules } from './lower.ts';
import { type ElementType, OnnxGraph, writeOnnxModel } from './onnxModel.ts';

const elementType: Record<DType, ElementType> = { f32: 'float', i32: 'int32', bool: 'bool' };

export interface LoweredGraph {
  model: Uint8Array;
  /** Inputs that the results depend on: only these are in the model. */
  usedInputs: ReadonlySet<string>;
}

export function lowerGraph({ nodes, inputs, constants, results }: SessionGraph, own: Rules = {}): LoweredGraph {
  const isResult = new Set(results.map(({ tensor }) => tensor));
  const used = new Set([...nodes.flatMap(node => node.inputs), ...isResult]);
  const onnx = new OnnxGraph();
  const names = new Map<Tensor, string>();
  const usedInputs = new Set<string>();
  for (const { name, tensor } of inputs) {
    if (!used.has(tensor)) continue;
    names.set(tensor, name);
    onnx.input(name, elementType[tensor.dtype], tensor.shape);
    usedInputs.add(name);
  }
  for (const [tensor, data] of constants) {
    if (used.has(tensor)) names.set(tensor, onnx.constant(data, tensor.shape));
  }

  // A tensor takes the name of its first result; further ones, and inputs that are results, are copied.
  const copied = results.filter(({ name, tensor }) => {
    if (names.has(tensor)) return true;
    names.set(tensor, name);
    return false;
  });

  const nameOf = (tensor: Tensor): string => {
    if (!used.has(tensor)) return '';
    const known = names.get(tensor);
    if (known) return known;
    const fresh = onnx.newName();
    names.set(tensor, fresh);
    return fresh;
  };
  const joined = joinedRows(nodes, isResult);
  const leftOut = new Set([...joined.values()].map(({ rows }) => rows));
  for (const node of nodes) {
    const rows = joined.get(node);
    if (rows) lowerJoinedRows(onnx, node, rows, nameOf);
    else if (!leftOut.has(node)) lowerNode(onnx, node, nameOf, own);
  }
  for (const { name, tensor } of copied) onnx.node('Identity', [nameOf(tensor)], { outputs: [name] });
  for (const { name, tensor } of results) {
    if (tensor.dtype === 'bool') throw new EngineError('runtime', `${name}: truth values cannot be a result`);
    onnx.output(name, elementType[tensor.dtype], tensor.shape);
  }
  return { model: writeOnnxModel(onnx), usedInputs };
}
