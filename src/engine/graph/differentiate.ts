/**
 * Reverse-mode differentiation: appends gradient nodes to a graph, only for what trains. Knows no operator by name.
 */
import { EngineError } from '../engineError.ts';
import type { Application, Tensor } from './graph.ts';
import { add } from './operators/elementwise.ts';

/** The gradients of the scalar `objective`, one for each tensor of `wrt`; undefined where it does not depend on one. */
export function differentiate(objective: Tensor, wrt: readonly Tensor[]): (Tensor | undefined)[] {
  const { graph } = objective;
  if (objective.shape.length !== 0) {
    throw new EngineError('graph', `Only a scalar can be differentiated, not [${objective.shape}]`);
  }
  return graph.withoutRecording(() => goBack(graph.applications, objective, graph.scalar(1), wrt));
}

/** Back through `applications`, from the gradient of what they end in to those of `wrt`. */
export function goBack(
  applications: readonly Application[],
  end: Tensor,
  gradientOfEnd: Tensor,
  wrt: readonly Tensor[],
): (Tensor | undefined)[] {
  const reached = reachedFrom(wrt, applications);
  const gradients = new Map<Tensor, Tensor>([[end, gradientOfEnd]]);
  const accumulate = (tensor: Tensor, gradient: Tensor) => {
    const before = gradients.get(tensor);
    gradients.set(tensor, before ? add(before, gradient) : gradient);
  };

  for (const { inputs, outputs, attributes, gradient } of applications.toReversed()) {
    const outputGradients = outputs.map(output => gradients.get(output));
    const wants = inputs.map(input => reached.has(input));
    if (!gradient || !wants.includes(true) || outputGradients.every(g => g === undefined)) continue;
    const inputGradients = gradient({ inputs, outputs, attributes, gradients: outputGradients, wants });
    inputs.forEach((input, i) => {
      const g = inputGradients[i];
      if (wants[i] && g) accumulate(input, g);
    });
  }
  return wrt.map(tensor => gradients.get(tensor));
}

/** Everything that depends on one of `sources` through something differentiable, the sources included. */
function reachedFrom(sources: readonly Tensor[], applications: readonly Application[]): Set<Tensor> {
  const reached = new Set(sources);
  for (const { inputs, outputs, gradient } of applications) {
    if (gradient && inputs.some(input => reached.has(input))) for (const output of outputs) reached.add(output);
  }
  return reached;
}
