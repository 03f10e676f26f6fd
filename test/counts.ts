/** How often a repeated claim is tried: little in `npm test`, much in `npm run test:long`. */
export const isLong = () => process.env.HOLDFAST_TEST_LONG === '1';

export const count = (everyday: number, long: number): number => (isLong() ? long : everyday);
