/** Which token follows: the likeliest, or one drawn by its probability. Knows nothing of models or texts. */
import { RandomStream } from '../data/randomStreams.ts';
import { EngineError } from '../engineError.ts';

/** `index`: how many tokens the text has so far; `lane`: which text it is. */
export type PickToken = (logits: Float32Array, index: number, lane: number) => number;

export interface Drawing {
  /** 0: the likeliest. 1: as the model says. */
  temperature: number;
  /** Only the likeliest tokens that together have this probability. */
  topP: number;
  seed: number;
}

/** The same numbers for the same place of the same text, whatever else is written beside it. */
export function pickToken({ temperature, topP, seed }: Drawing): PickToken {
  if (temperature === 0) return likeliest;
  const stream = new RandomStream(seed, 'sample');
  return (logits, index, lane) => drawn(logits, { temperature, topP }, stream.uniform(index, lane));
}

/** The first of equals. */
export function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/** Walks over the tokens until their probabilities, in f64, have used up `uniform` (0 ≤ uniform < 1). */
function drawn(logits: Float32Array, { temperature, topP }: Omit<Drawing, 'seed'>, uniform: number): number {
  const highest = logits[likeliest(logits)]!;
  const weights = Float64Array.from(logits, logit => Math.exp((logit - highest) / temperature));
  const order = topP < 1 ? nucleus(weights, topP) : undefined;
  const count = order ? order.length : weights.length;
  const tokenAt = (place: number): number => (order ? order[place]! : place);
  let left = 0;
  for (let place = 0; place < count; place++) left += weights[tokenAt(place)]!;
  if (!(left > 0 && left < Number.POSITIVE_INFINITY)) {
    throw new EngineError('not-finite', 'The model gives no finite probabilities of the next token');
  }
  left *= uniform;
  let last = tokenAt(0);
  for (let place = 0; place < count; place++) {
    const token = tokenAt(place);
    if (weights[token] === 0) continue;
    last = token;
    left -= weights[token]!;
    if (left < 0) break;
  }
  return last;
}

/** The likeliest tokens, of equals the first ones, until together they have the share `topP`. */
function nucleus(weights: Float64Array, topP: number): Uint32Array {
  const order = Uint32Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]! || a - b);
  let left = topP * weights.reduce((sum, weight) => sum + weight, 0);
  let count = 0;
  while (count < order.length && (count === 0 || left > 0)) {
    left -= weights[order[count]!]!;
    count += 1;
  }
  return order.subarray(0, count);
}
