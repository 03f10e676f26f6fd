/**
 * Counter-based random numbers for statistics: number i of a seed, in any order, the same on every machine. A 32-bit
 * mixing function with good avalanche is enough here: nothing cryptographic, no long streams.
 */

/** In [0, 2³²). */
export function uint32At(seed: number, counter: number): number {
  let x = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(counter + 0x7f4a7c15, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** A whole number in [0, size). */
export const indexAt = (seed: number, counter: number, size: number): number =>
  Math.floor((uint32At(seed, counter) / 2 ** 32) * size);
