/**
 * Sentences whose verb agrees with a subject that stands at a distance: between both stands another noun, often of the
 * other number. The wrong twin differs in the verb alone.
 */
import type { Random } from './random.ts';
import { actors, links, looks, places, times, verbs } from './words.ts';

export interface Agreement {
  good: string;
  bad: string;
}

/** `misled`: always with another noun before the verb, of the other number. */
export function agreement(random: Random, misled = false): Agreement {
  const [subject, other] = random.sample(actors, 2) as [(typeof actors)[0], (typeof actors)[0]];
  const isMany = random.chance(0.5);
  const otherMany = misled || random.chance(0.7) ? !isMany : isMany;
  const look = random.chance(0.5) ? `${random.pick(looks)} ` : '';
  const start = `The ${look}${isMany ? subject.many : subject.one} ${between(otherMany ? other.many : other.one, otherMany, random, misled ? 1 : 0)}`;
  const verb = random.pick(verbs);
  const end = `${random.pick(times)}.`;
  return {
    good: `${start} ${isMany ? verb.many : verb.one} ${end}`,
    bad: `${start} ${isMany ? verb.one : verb.many} ${end}`,
  };
}

/** What stands between subject and verb and may mislead. */
function between(noun: string, isMany: boolean, random: Random, firstForm: number): string {
  const form = random.whole(firstForm, 3);
  if (form === 0) return random.pick(places);
  if (form === 1) return `${random.pick(links)} the ${noun}`;
  if (form === 2) return `${random.pick(links)} the ${noun} ${random.pick(places)}`;
  return `that the ${noun} ${isMany ? 'know' : 'knows'}`;
}
