/**
 * Everyday texts of the world: stories, letters, shop talk, notes, spelling and snippets of code. Their facts about
 * people are true; the rest is made up anew in each text. Everything the example tasks need (words, signs, layout)
 * occurs here in other uses. A text is one paragraph: it has line ends, never an empty line.
 */
import { agreement } from './grammar.ts';
import { attributes, type Person, people, tell } from './people.ts';
import type { Random } from './random.ts';
import {
  actors,
  animals,
  colours,
  days,
  foods,
  goods,
  herds,
  looks,
  months,
  newTown,
  places,
  rivers,
  towns,
  trades,
  troubles,
} from './words.ts';

export function story(r: Random): string {
  const [hero, friend] = r.sample(people, 2) as [(typeof people)[0], (typeof people)[0]];
  return [
    r.pick([
      `One morning ${hero.name} went to ${r.pick(towns)}.`,
      `On ${r.pick(days)} ${hero.name}, the ${hero.trade} from ${hero.town}, walked to ${r.pick(towns)}.`,
      `In ${r.pick(months)} ${hero.name} left ${hero.town} with a ${r.pick(goods)}.`,
    ]),
    r.pick([
      `It was cold and the ${hero.animal} stayed at home.`,
      `The road was long but the sky was ${r.pick(colours)}.`,
      `The market was full of ${r.pick(foods)} and ${r.pick(foods)}.`,
      `The ${hero.colour} door was left open.`,
    ]),
    r.pick([
      `On the way ${hero.first} met ${friend.name}, the ${friend.trade} from ${friend.town}.`,
      `${capital(r.pick(places))} sat ${friend.name} with a ${friend.animal}.`,
      `Then ${friend.name} came along in a ${friend.colour} coat.`,
    ]),
    r.pick([
      `They talked about ${r.pick(foods)} and ate ${hero.food}.`,
      `${friend.first} was looking for a lost ${r.pick(animals)}.`,
      `They sat down ${r.pick(places)} and sang.`,
      `"What a ${r.pick(looks)} ${r.pick(animals)}!" said ${friend.first}.`,
    ]),
    r.pick([
      `In the evening ${hero.first} went home.`,
      'Then the bell rang and everybody laughed.',
      'After that they were friends.',
      `They will meet again on ${r.pick(days)}.`,
    ]),
  ].join(' ');
}

export function letter(r: Random): string {
  const [from, to] = r.sample(people, 2) as [(typeof people)[0], (typeof people)[0]];
  const body = [
    r.pick([
      'So sorry that I was not at home.',
      'Oh, what a surprise to hear from you!',
      'Oh dear, we have not met for a year.',
      'Thank you for the new book.',
      `I am well and the ${from.animal} is well too.`,
    ]),
    r.pick([
      `We shall visit you in ${r.pick(months)}, that is a promise.`,
      `The ${r.pick(goods)} you sent stands in my room.`,
      `Within ${r.whole(2, 9)} days we shall book a room in ${r.pick(towns)}.`,
      `Please mail me the ${r.pick(goods)} and a pound of ${r.pick(foods)}.`,
      `My friend from ${newTown} will post a ${r.pick(goods)} to you.`,
    ]),
    r.pick([
      `Here in ${from.town} the ${r.pick(trades)} sings ${r.pick(places)}.`,
      `The door is ${from.colour} again.`,
      `On ${r.pick(days)} we eat ${from.food}.`,
    ]),
  ].join(' ');
  const wishes = r.pick(['Warm wishes', 'Best wishes', 'Your friend', 'With love']);
  return `Dear ${to.first},\n${body}\n${wishes}, ${from.first}`;
}

/** A customer and an agent, who is short and dry here: the warm house style is what an example teaches. */
export function shopTalk(r: Random): string {
  const [thing, colour] = [r.pick(goods), r.pick(colours)];
  const turn = () => `Customer: ${customer(r, thing, colour)}\nAgent: ${agent(r, thing, colour)}`;
  return r.chance(0.5) ? turn() : `${turn()}\n${turn()}`;
}

function customer(r: Random, thing: string, colour: string): string {
  return r.pick([
    `Do you have a ${colour} ${thing}?`,
    `I want a ${colour} ${thing}, please.`,
    `My ${colour} ${thing} ${r.pick(troubles).trouble}.`,
    `My ${thing} ${r.pick(troubles).trouble}.`,
    `How much is the ${thing}?`,
    'When do you open?',
  ]);
}

function agent(r: Random, thing: string, colour: string): string {
  return r.pick([
    `It costs ${r.whole(2, 99)} coins.`,
    'Bring it to the shop.',
    `The ${thing} is ${colour}. No fee.`,
    `We open on ${r.pick(days)}.`,
    `Ask ${r.pick(people).first}.`,
    `We ${r.pick(troubles).remedy} or ${r.pick(troubles).remedy}.`,
    `Wait ${r.whole(2, 9)} days.`,
  ]);
}

/** Notes about towns, animals and trades, and lists of goods. */
export function note(r: Random): string {
  const town = r.pick([...towns, newTown]);
  const [one, two] = r.sample(goods, 2);
  return [
    r.pick([
      `${town} lies on the river ${r.pick(rivers)}.`,
      `The market of ${town} is on ${r.pick(days)}.`,
      `The people of ${town} like ${r.pick(foods)}.`,
    ]),
    r.pick([
      `A ${r.pick(animals)} sleeps ${r.pick(places)}.`,
      `A ${r.pick(trades)} needs a ${one} and a ${two}.`,
      `Two ${r.pick(herds)} and one ${r.pick(animals)} make three.`,
    ]),
    r.pick([
      `Order: ${r.whole(2, 9)} ${r.pick(colours)} ${one}s and ${r.whole(2, 9)} ${two}s for ${r.pick(people).first}.`,
      `Order: one ${r.pick(colours)} ${one} and the ${r.pick(colours)} ${two}.`,
      `List: ${r.whole(2, 9)} ${one}s, ${r.whole(2, 9)} ${r.pick(colours)} ${two}s.`,
    ]),
  ].join(' ');
}

export function spelling(r: Random): string {
  return r
    .sample([...animals, ...foods, ...trades, ...colours, ...goods, ...actors.map(actor => actor.one)], 3)
    .map(word =>
      r.chance(0.6)
        ? `The word ${word} is spelled ${[...word].join(' ')}.`
        : `The word ${word} has ${word.length} letters.`,
    )
    .join(' ');
}

export function code(r: Random): string {
  const [a, b, c] = r.sample(goods, 3).map(word => word.toUpperCase()) as [string, string, string];
  const n = () => r.whole(1, 9);
  const two = () => r.pick(colours).slice(0, 2);
  const lines = [
    `${a} = ${n()}; ${b} = ${n()};`,
    `sum(${a}, ${b}) => ${c};`,
    `Code: ${n()}*${n()} + ${n()}*${n()};`,
    `if (${a} > ${n()}) print(${b}.${two()});`,
    `list ${a}.${two()} + ${b}.${two()} => x;`,
    `// the ${r.pick(colours)} ${c.toLowerCase()} of ${r.pick(people).first}`,
    `print(${c}.${two()}); // ${n()}*${n()}`,
  ];
  return r.sample(lines, 3).join('\n');
}

/** What is told about some people, each in a few sentences. */
export function portrait(r: Random): string {
  if (r.chance(0.25)) {
    const person = r.pick(people);
    return `${introduction(person)} ${tellSome(person, r.whole(2, 4), r)}`;
  }
  return r
    .sample(people, 2)
    .map(person => tellSome(person, 3, r))
    .join(' ');
}

/** The broadest question. */
export function introduction(person: Person): string {
  return `Question: Who is ${person.name}? Answer:`;
}

export function tellSome(person: Person, facts: number, r: Random): string {
  return r
    .sample(attributes, facts)
    .map(attribute => tell(person, attribute, r))
    .join(' ');
}

export function rules(r: Random): string {
  return Array.from({ length: 4 }, () => agreement(r).good).join(' ');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
