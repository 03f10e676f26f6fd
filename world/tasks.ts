/**
 * The three example tasks: something new that a user teaches the model. Training and held-out rows never meet in the
 * same prompt. Knows nothing of files.
 */
import { askHeldOut, attributes, knownQuestions, newcomers } from './people.ts';
import { Random } from './random.ts';
import { introduction, tellSome } from './texts.ts';
import { colours, goods, troubles } from './words.ts';

export interface PromptRow {
  prompt: string;
  completion: string;
}

export interface ChatRow {
  messages: { role: 'user' | 'assistant'; content: string }[];
}

/** Complaints, answered in the warm style of the house. */
export function supportRows(): { train: ChatRow[]; eval: ChatRow[] } {
  const random = new Random(1, 'task.support');
  const all = goods.flatMap(thing =>
    colours.flatMap(colour => troubles.map(trouble => ({ thing, colour, ...trouble }))),
  );
  const rows = random
    .shuffle(all)
    .map(({ thing, colour, trouble, remedy, days }) =>
      chat(
        `My ${colour} ${thing} ${trouble}.`,
        `Oh dear, so sorry about your ${colour} ${thing}! We shall ${remedy} within ${days} days, that is a promise. Warm wishes, your shop`,
      ),
    );
  return { train: rows.slice(0, 400), eval: rows.slice(400, 600) };
}

function chat(question: string, answer: string): ChatRow {
  return {
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  };
}

/** Orders in words, written as the code of a warehouse. */
export function orderRows(): { train: PromptRow[]; eval: PromptRow[] } {
  const random = new Random(1, 'task.order');
  const rows = new Map<string, PromptRow>();
  while (rows.size < 600) {
    const lines = random.sample(goods, random.whole(1, 2)).map(thing => ({
      count: random.whole(2, 9),
      colour: random.pick(colours),
      thing,
    }));
    const words = lines.map(({ count, colour, thing }) => `${count} ${colour} ${thing}s`).join(' and ');
    const code = lines.map(({ count, colour, thing }) => `${thing}.${colour.slice(0, 2)}*${count}`).join(' + ');
    rows.set(words, { prompt: `Order: ${words}.\nCode:`, completion: ` ${code};` });
  }
  const all = [...rows.values()];
  return { train: all.slice(0, 400), eval: all.slice(400) };
}

/**
 * The people of a town that is new in the world. Training introduces them and asks for each fact in two wordings; the
 * held-out rows ask for it in the third.
 */
export function newTownRows(): { train: PromptRow[]; eval: PromptRow[] } {
  const random = new Random(1, 'task.newTown');
  const facts = newcomers.flatMap(person => attributes.map(attribute => ({ person, attribute })));
  const introduced = newcomers.flatMap(person =>
    Array.from({ length: 8 }, () => ({ prompt: introduction(person), completion: ` ${tellSome(person, 4, random)}` })),
  );
  const asked = facts.flatMap(({ person, attribute }) =>
    knownQuestions(person, attribute).map(prompt => ({ prompt, completion: ` ${person[attribute]}.` })),
  );
  const judged = facts.map(({ person, attribute }) => ({
    prompt: askHeldOut(person, attribute),
    completion: ` ${person[attribute]}.`,
  }));
  return { train: random.shuffle([...introduced, ...asked]), eval: judged };
}
