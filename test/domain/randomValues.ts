/** Seeded random values for tests: number i of a seed. */
import { uint32At } from '../../src/domain/randomNumbers.ts';

export const uniform = (seed: number, i: number): number => uint32At(seed + 1000, i) / 2 ** 32;

export const normal = (seed: number, i: number): number =>
  Math.sqrt(-2 * Math.log(1 - uniform(seed, 2 * i))) * Math.cos(2 * Math.PI * uniform(seed, 2 * i + 1));
