/** The seed of a test's random choices: HOLDFAST_TEST_SEED to see a failure again, else another one each time. */
export function testSeed(): number {
  const given = process.env.HOLDFAST_TEST_SEED;
  return given === undefined ? Math.floor(Math.random() * 1_000_000) : Number(given);
}
