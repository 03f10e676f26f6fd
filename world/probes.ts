/**
 * The probe sets: held-out items that stand for what the model knew. Facts are asked in wordings that the corpus never
 * used for that person, sums and sentences do not occur in the corpus, and general texts are checked against it.
 */
import { generalTexts } from './corpus.ts';
import { agreement } from './grammar.ts';
import { type Attribute, askHeldOut, attributes, type Person, people, values } from './people.ts';
import { Random } from './random.ts';
import { drawSum, nearMisses } from './sums.ts';

export interface Choice {
  context: string;
  choices: string[];
  gold: number;
}

export interface Pair {
  good: string;
  bad: string;
}

export const probeItems = 300;

export function generalProbe(known: ReadonlySet<string>): string[] {
  return generalTexts(probeItems, new Random(1, 'probe.general'), known);
}

/** Wrong answers are what holds for people who are easily confused with the one asked for. */
export function factProbe(): Choice[] {
  const random = new Random(1, 'probe.facts');
  const all = people.flatMap(person => attributes.map(attribute => ({ person, attribute })));
  return random.sample(all, probeItems).map(({ person, attribute }) => {
    const wrong = random.sample(alikes(person, attribute, random), 3);
    return choice(askHeldOut(person, attribute), person[attribute], wrong, random);
  });
}

/** Values of people of the same first or last name, town or trade; filled up with any others where these are few. */
function alikes(person: Person, attribute: Attribute, random: Random): string[] {
  const last = (other: Person) => other.name.slice(other.first.length);
  const near = people.filter(other => other.first === person.first || last(other) === last(person));
  const neighbours = people.filter(other => other.town === person.town || other.trade === person.trade);
  const wrong = new Set([...near, ...neighbours].map(other => other[attribute]));
  wrong.delete(person[attribute]);
  const first = [...wrong].slice(0, 5);
  if (first.length >= 3) return first;
  return [
    ...first,
    ...random.shuffle(values[attribute].filter(value => value !== person[attribute] && !first.includes(value))),
  ].slice(0, 3);
}

export function sumProbe(): Choice[] {
  const random = new Random(1, 'probe.arithmetic');
  const items = new Map<string, Choice>();
  while (items.size < probeItems) {
    const sum = drawSum(random, 'held-out');
    if (items.has(sum.left)) continue;
    items.set(sum.left, choice(sum.left, `${sum.value}`, nearMisses(sum.value, random).map(String), random));
  }
  return [...items.values()];
}

export function grammarProbe(known: ReadonlySet<string>): Pair[] {
  const random = new Random(1, 'probe.grammar');
  const items = new Map<string, Pair>();
  while (items.size < probeItems) {
    const pair = agreement(random, true);
    if (!known.has(pair.good)) items.set(pair.good, pair);
  }
  return [...items.values()];
}

function choice(context: string, right: string, wrong: string[], random: Random): Choice {
  const choices = random.shuffle([right, ...wrong]);
  return { context, choices: choices.map(value => ` ${value}.`), gold: choices.indexOf(right) };
}
