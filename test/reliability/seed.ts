import { isLong } from '../counts.ts';

/**
 * The seed of a test's random choices: the same one every day, so that a red run means a change; another one each time in
 * the long run, which looks for what nobody has seen. HOLDFAST_TEST_SEED names one that is to be tried again.
 */
export function testSeed(everyday = 614280): number {
  const given = process.env.HOLDFAST_TEST_SEED;
  if (given !== undefined) return Number(given);
  return isLong() ? Math.floor(Math.random() * 1_000_000) : everyday;
}
