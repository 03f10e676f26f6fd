/** Two-digit sums and differences. A fixed share of all pairs of numbers is held out of the corpus for the probe. */
import { hashText, type Random } from './random.ts';

export interface Sum {
  left: string;
  value: number;
}

const heldOutShare = 0.05;

export function drawSum(random: Random, from: 'corpus' | 'held-out'): Sum {
  for (;;) {
    const sum = anySum(random);
    if (isHeldOut(sum) === (from === 'held-out')) return sum;
  }
}

function anySum(random: Random): Sum {
  const [a, b] = [random.whole(0, 99), random.whole(0, 99)];
  if (random.chance(0.5)) return { left: `${a} + ${b} =`, value: a + b };
  return { left: `${Math.max(a, b)} - ${Math.min(a, b)} =`, value: Math.abs(a - b) };
}

function isHeldOut(sum: Sum): boolean {
  return hashText(sum.left) / 2 ** 32 < heldOutShare;
}

/** Three wrong values that are easily taken for the right one: off by one, by two or by a ten. */
export function nearMisses(value: number, random: Random): number[] {
  const near = [-20, -10, -2, -1, 1, 2, 10, 20].map(step => value + step).filter(other => other >= 0);
  return random.sample(near, 3);
}
