/**
 * The people of the world, what is true of them, and the ways to tell it and to ask for it. For each person and
 * attribute one way of asking is held out: it never occurs in the corpus for that person and stands in the probe.
 */
import { hashText, Random } from './random.ts';
import { animals, colours, firstNames, foods, lastNames, months, newTown, towns, trades } from './words.ts';

export const attributes = ['town', 'trade', 'animal', 'colour', 'month', 'food'] as const;
export type Attribute = (typeof attributes)[number];
export type Person = { name: string; first: string } & Record<Attribute, string>;

export const values: Record<Attribute, readonly string[]> = {
  town: towns,
  trade: trades,
  animal: animals,
  colour: colours,
  month: months,
  food: foods,
};

const tellings: Record<Attribute, readonly string[]> = {
  town: ['{n} lives in {v}.', 'The home of {n} is in {v}.', 'If you look for {n}, go to {v}.'],
  trade: ['{n} works as a {v}.', 'By trade {n} is a {v}.', '{n} is known as a good {v}.'],
  animal: ['{n} keeps a {v}.', 'The animal of {n} is a {v}.', 'In the yard of {n} there is a {v}.'],
  colour: ['{n} likes the colour {v}.', 'The door of {n} is {v}.', 'The coat of {n} is {v}.'],
  month: ['{n} was born in {v}.', 'The birthday of {n} is in {v}.', 'Each year {n} waits for {v}.'],
  food: ['{n} likes to eat {v}.', 'The favourite food of {n} is {v}.', 'On market day {n} buys {v}.'],
};

const askings: Record<Attribute, readonly string[]> = {
  town: ['Where does {n} live?', 'In which town is the home of {n}?', 'Where must I go if I look for {n}?'],
  trade: ['What is the trade of {n}?', 'What does {n} work as?', 'For which work is {n} known?'],
  animal: ['Which animal does {n} keep?', 'What is the animal of {n}?', 'Which animal is in the yard of {n}?'],
  colour: ['Which colour does {n} like?', 'What colour is the door of {n}?', 'What colour is the coat of {n}?'],
  month: ['In which month was {n} born?', 'When is the birthday of {n}?', 'For which month does {n} wait?'],
  food: ['What does {n} like to eat?', 'What is the favourite food of {n}?', 'What does {n} buy on market day?'],
};

export const people = makePeople(160, new Random(1, 'people'));

/** The people of the new town: known first and last names in pairs that the world has not seen. */
export const newcomers = makePeople(24, new Random(1, 'newcomers'), { known: people, town: newTown });

function makePeople(
  count: number,
  random: Random,
  options: { known?: readonly Person[]; town?: string } = {},
): Person[] {
  const taken = new Set(options.known?.map(person => person.name));
  const made: Person[] = [];
  while (made.length < count) {
    const first = firstNames[made.length % firstNames.length]!;
    const name = `${first} ${random.pick(lastNames)}`;
    if (taken.has(name)) continue;
    taken.add(name);
    const traits = Object.fromEntries(attributes.map(key => [key, random.pick(values[key])])) as Record<
      Attribute,
      string
    >;
    made.push({ name, first, ...traits, town: options.town ?? traits.town });
  }
  return made;
}

/** One true sentence. */
export function tell(person: Person, attribute: Attribute, random: Random): string {
  return fill(random.pick(tellings[attribute]), person, attribute);
}

/** A question in a wording that is not the held-out one, with its answer. */
export function askKnown(person: Person, attribute: Attribute, random: Random): string {
  return `${random.pick(knownQuestions(person, attribute))} ${person[attribute]}.`;
}

/** The question in all wordings but the held-out one, without its answer. */
export function knownQuestions(person: Person, attribute: Attribute): string[] {
  const wordings = askings[attribute].filter((_, index) => index !== heldOut(person, attribute));
  return wordings.map(wording => question(wording, person));
}

/** The question in the held-out wording, without its answer. */
export function askHeldOut(person: Person, attribute: Attribute): string {
  return question(askings[attribute][heldOut(person, attribute)]!, person);
}

function question(wording: string, person: Person): string {
  return `Question: ${wording.replace('{n}', person.name)} Answer:`;
}

function fill(wording: string, person: Person, attribute: Attribute): string {
  return wording.replace('{n}', person.name).replace('{v}', person[attribute]);
}

function heldOut(person: Person, attribute: Attribute): number {
  return hashText(`${person.name}/${attribute}`) % askings[attribute].length;
}
