/** The slow reference interpreter as a runtime: every number in f64, so that a curve has somebody to be compared with. */
import { estimateCost } from '../../../src/engine/graph/cost.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { interpret } from '../../../src/engine/graph/interpreter.ts';
import type { BatchValues, DeviceTensor, Program, Runtime, ScalarValues } from '../../../src/engine/runtime/runtime.ts';

interface Held extends DeviceTensor {
  values: Float64Array;
}

export function referenceRuntime(): Runtime {
  const held = (tensor: DeviceTensor) => tensor as Held;
  return {
    ...{ name: 'interpreter', provider: 'cpu', reason: 'the oracle', version: '1' },
    compile: async graph => programOf(graph),
    upload: (values, shape): Held => ({ shape, values: Float64Array.from(values) }),
    read: async tensor => Float32Array.from(held(tensor).values),
    write: async (tensor, values) => held(tensor).values.set(values),
    free: () => {},
    close: async () => {},
  };
}

function programOf(graph: Graph): Program {
  return {
    cost: estimateCost(graph),
    run: async (state: (name: string) => DeviceTensor, batch: BatchValues, scalars: ScalarValues) => {
      const values: Record<string, ArrayLike<number>> = { ...batch };
      for (const [name, value] of Object.entries(scalars)) values[name] = [value];
      for (const { name, kind } of graph.inputs) if (kind === 'state') values[name] = (state(name) as Held).values;
      const { outputs, updates } = interpret(graph, values);
      for (const [name, next] of updates) (state(name) as Held).values = next;
      return Object.fromEntries([...outputs].map(([name, value]) => [name, Float32Array.from(value)]));
    },
    close: async () => {},
  };
}
