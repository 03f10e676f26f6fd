/** Angles of rotary position embeddings, plain or stretched for longer texts. Knows nothing of graphs. */

/** How config.json says that a model's positions are stretched. */
export type RopeScaling =
  | { type: 'linear'; factor: number }
  | {
      type: 'llama3';
      factor: number;
      lowFrequencyFactor: number;
      highFrequencyFactor: number;
      originalPositions: number;
    };

export interface Rope {
  theta: number;
  scaling?: RopeScaling;
}

/** Radians a position for each of the `pairs` of a head's elements, fastest first. */
export function ropeFrequencies({ theta, scaling }: Rope, pairs: number): number[] {
  return Array.from({ length: pairs }, (_, i) => scaled(theta ** (-i / pairs), scaling));
}

/** `linear` is arXiv 2306.15595; `llama3` leaves fast pairs, divides slow ones, and blends in between (Llama 3.1). */
function scaled(frequency: number, scaling: RopeScaling | undefined): number {
  if (!scaling) return frequency;
  if (scaling.type === 'linear') return frequency / scaling.factor;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions } = scaling;
  const turns = (originalPositions * frequency) / (2 * Math.PI);
  const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return frequency * (kept + (1 - kept) / factor);
}
