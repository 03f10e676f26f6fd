/** A whole graph as an ONNX model: names for its inputs and results, its live nodes in order. */
import { EngineError } from '../../engineError.ts';
import type { DType, Graph, Shape, Tensor } from '../../graph/graph.ts';
import { liveParts } from '../../graph/live.ts';
import { lowerNode } from './lower.ts';
import { type ElementType, OnnxGraph, writeOnnxModel } from './onnxModel.ts';

const elementType: Record<DType, ElementType> = { f32: 'float', i32: 'int32', bool: 'bool' };

export const outputName = (name: string): string => `output/${name}`;
export const updateName = (name: string): string => `update/${name}`;

export interface LoweredGraph {
  model: Uint8Array;
  nodeCount: number;
  /** Inputs that the results depend on: only these are in the model. */
  usedInputs: ReadonlySet<string>;
  /** Results that the model gives in another shape of the same elements, by their name in the model. */
  resultShapes: ReadonlyMap<string, Shape>;
}

export function lowerGraph(graph: Graph): LoweredGraph {
  const { nodes, tensors } = liveParts(graph);
  const onnx = new OnnxGraph();
  const names = new Map<Tensor, string>();
  const usedInputs = new Set<string>();
  for (const { name, tensor } of graph.inputs) {
    names.set(tensor, name);
    if (!tensors.has(tensor)) continue;
    onnx.input(name, elementType[tensor.dtype], tensor.shape);
    usedInputs.add(name);
  }
  for (const [tensor, data] of graph.constants) {
    if (tensors.has(tensor)) names.set(tensor, onnx.constant(data, tensor.shape));
  }

  const results = [
    ...[...graph.outputs].map(([name, tensor]) => ({ name: outputName(name), tensor })),
    ...[...graph.updates].map(([name, tensor]) => ({ name: updateName(name), tensor })),
  ];
  // A tensor takes the name of its first result; further ones, and inputs that are results, are copied.
  const copied = results.filter(({ name, tensor }) => {
    if (names.has(tensor)) return true;
    names.set(tensor, name);
    return false;
  });

  const nameOf = (tensor: Tensor): string => {
    if (!tensors.has(tensor)) return '';
    const known = names.get(tensor);
    if (known) return known;
    const fresh = onnx.newName();
    names.set(tensor, fresh);
    return fresh;
  };
  const resultShapes = new Map<string, Shape>();
  const isRead = new Set([...nodes.flatMap(node => node.inputs), ...copied.map(({ tensor }) => tensor)]);
  const isResult = new Set(results.map(({ tensor }) => tensor));
  for (const node of nodes) {
    const reshapes: (() => void)[] = [];
    const inShape = (tensor: Tensor, shape: Shape): string => {
      const name = nameOf(tensor);
      if (isResult.has(tensor) && !isRead.has(tensor)) {
        resultShapes.set(name, shape);
        return name;
      }
      const shaped = onnx.newName();
      if (name) reshapes.push(() => onnx.node('Reshape', [shaped, onnx.integers(tensor.shape)], { outputs: [name] }));
      return shaped;
    };
    lowerNode(onnx, node, { nameOf, inShape });
    for (const reshape of reshapes) reshape();
  }
  for (const { name, tensor } of copied) onnx.node('Identity', [nameOf(tensor)], { outputs: [name] });
  for (const { name, tensor } of results) {
    if (tensor.dtype === 'bool') throw new EngineError('runtime', `${name}: truth values cannot be a result`);
    onnx.output(name, elementType[tensor.dtype], resultShapes.get(name) ?? tensor.shape);
  }
  return { model: writeOnnxModel(onnx), nodeCount: onnx.nodeCount, usedInputs, resultShapes };
}
