/**
 * The random numbers of a run: one stream per purpose, counter-based, so that adding a part moves nothing else and
 * nothing has to be saved to resume. The generator is Philox4x32-10 (Salmon et al. 2011), specified for a twin in
 * another language in docs/random-streams.md. Knows nothing of what the numbers are for.
 */

export const streamNames = [
  'order',
  'replay',
  'draw',
  'adapter',
  'dropout',
  'pack',
  'weights',
  'subset',
  'sample',
] as const;
export type StreamName = (typeof streamNames)[number];

type Words = [number, number, number, number];

/** Numbers addressed by (index, lane): asking twice gives the same number, in any order. */
export class RandomStream {
  readonly #key0: number;
  readonly #key1: number;

  constructor(seed: number, name: StreamName) {
    this.#key0 = seed >>> 0;
    this.#key1 = fnv1a(name);
  }

  /** An integer in [0, 2³²). `lane` separates sub-streams, such as epochs or tensors. */
  uint32(index: number, lane = 0): number {
    const block = Math.floor(index / 4);
    return this.#words(block, lane)[(index % 4) as 0 | 1 | 2 | 3];
  }

  /** In [0, 1), 32 bits fine. */
  uniform(index: number, lane = 0): number {
    return this.uint32(index, lane) / 2 ** 32;
  }

  /** Standard normal (Box-Muller): numbers 2i and 2i+1 of the lane make the pair (i even: cosine, odd: sine). */
  normal(index: number, lane = 0): number {
    const pair = index - (index % 2);
    const radius = Math.sqrt(-2 * Math.log((this.uint32(pair, lane) + 1) / 2 ** 32));
    const angle = (2 * Math.PI * this.uint32(pair + 1, lane)) / 2 ** 32;
    return index % 2 === 0 ? radius * Math.cos(angle) : radius * Math.sin(angle);
  }

  /** 0..size-1 in a random order (Fisher-Yates from the end; number i decides what goes to place i). */
  permutation(size: number, lane = 0): Int32Array {
    const order = new Int32Array(size);
    for (let i = 0; i < size; i++) order[i] = i;
    for (let i = size - 1; i > 0; i--) {
      const j = Math.floor(this.uniform(i, lane) * (i + 1));
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }

  /** The first `count` places of `permutation(size, lane)`, which is never made: its swaps are undone, the last one first. */
  beginningOfPermutation(count: number, size: number, lane = 0): number[] {
    const places = new Map(Array.from({ length: Math.min(count, size) }, (_, place) => [place, place]));
    for (let i = 1; i < size; i++) {
      const j = Math.floor(this.uniform(i, lane) * (i + 1));
      const [atI, atJ] = [places.get(i), places.get(j)];
      if (i === j || (atI === undefined && atJ === undefined)) continue;
      places.delete(i);
      places.delete(j);
      if (atI !== undefined) places.set(j, atI);
      if (atJ !== undefined) places.set(i, atJ);
    }
    return [...places].sort(([, a], [, b]) => a - b).map(([value]) => value);
  }

  #words(block: number, lane: number): Words {
    return philox(
      [block >>> 0, Math.floor(block / 2 ** 32), lane >>> 0, Math.floor(lane / 2 ** 32)],
      [this.#key0, this.#key1],
    );
  }
}

/** Ten rounds of Philox4x32 over a counter, under a key. */
export function philox(counter: Words, key: [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(0xd2511f53, c0);
    const [high1, low1] = multiply(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The 64-bit product of two 32-bit numbers as [high, low]. */
function multiply(a: number, b: number): [number, number] {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle % 0x10000);
  const high = aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000);
  return [high >>> 0, Math.imul(a, b) >>> 0];
}

/** FNV-1a over the name's bytes: the second half of a stream's key. */
function fnv1a(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
