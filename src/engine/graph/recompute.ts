/**
 * A part of a graph whose inner tensors are made again on the way back, from its input, instead of being kept until
 * then: less memory for one more pass forward. Knows no model and no runtime.
 */
import { goBack } from './differentiate.ts';
import type { Application, Tensor } from './graph.ts';
import { after } from './operators/after.ts';

/** build(x), of the shape of x. `build` is called again for the way back and must give the same nodes. */
export function recomputed(x: Tensor, build: (x: Tensor) => Tensor): Tensor {
  const { graph } = x;
  const { result: y, applications } = graph.recordedApart(() => build(x));
  const inputs = inputsOf(applications);
  graph.applications.push({
    inputs,
    outputs: [y],
    attributes: {},
    gradient: ({ gradients: [dy], wants }) => {
      // Not before the way back is here: by itself, a runtime would take equal nodes for the ones it has run already.
      const again = after(x, [dy!]);
      const second = graph.recordedApart(() => build(again));
      const wanted = inputs.filter((_, i) => wants[i]).map(input => (input === x ? again : input));
      const gradients = goBack(second.applications, second.result, dy!, wanted);
      const gradientOf = new Map(wanted.map((input, i) => [input, gradients[i]]));
      const dx = gradientOf.get(again);
      gradientOf.delete(again);
      // Nobody waits for the gradients of weights: they would come last, and until then keep what was made again.
      const first = [...gradientOf.values()].filter(gradient => gradient !== undefined);
      return inputs.map(input => (input === x ? dx && after(dx, first) : gradientOf.get(input)));
    },
  });
  return y;
}

/** What is read but not made. */
function inputsOf(applications: readonly Application[]): Tensor[] {
  const made = new Set(applications.flatMap(({ outputs }) => outputs));
  return [...new Set(applications.flatMap(({ inputs }) => inputs))].filter(input => !made.has(input));
}
