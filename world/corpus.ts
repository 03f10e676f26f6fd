/**
 * What the model reads in pretraining: a seeded stream of documents in fixed proportions. Knows nothing of tokens.
 */
import { askKnown, attributes, people } from './people.ts';
import { Random } from './random.ts';
import { drawSum } from './sums.ts';
import { code, letter, note, portrait, rules, shopTalk, spelling, story } from './texts.ts';

const kinds = { story, letter, shopTalk, note, spelling, code, portrait, rules, questions, sums };

/** Shares of the documents. */
const corpusShares: Record<keyof typeof kinds, number> = {
  story: 0.15,
  letter: 0.05,
  shopTalk: 0.05,
  note: 0.05,
  spelling: 0.03,
  code: 0.05,
  portrait: 0.12,
  rules: 0.07,
  questions: 0.13,
  sums: 0.3,
};

/** General text: prose, letters, talk and code. No sums, no questions, no lessons of grammar. */
const generalShares = { story: 0.45, letter: 0.15, shopTalk: 0.15, note: 0.1, spelling: 0.05, code: 0.1 };

/** About 8 million tokens. */
export const corpusDocuments = 150_000;

/** The documents of pretraining, in order; the shipped model has read these. */
export function corpus(seed = 1, documents = corpusDocuments): string[] {
  const random = new Random(seed, 'corpus');
  return Array.from({ length: documents }, () => kinds[random.weighted(corpusShares)](random));
}

/** Every document and every sentence of the corpus: what a held-out item must not be. */
export function everythingRead(documents: readonly string[]): Set<string> {
  const read = new Set(documents);
  for (const document of documents) for (const sentence of document.split(/(?<=[.?]) /)) read.add(sentence);
  return read;
}

/** `count` different general texts that are not in `known`. */
export function generalTexts(count: number, random: Random, known: ReadonlySet<string>): string[] {
  const texts = new Set<string>();
  while (texts.size < count) {
    const text = kinds[random.weighted(generalShares)](random);
    if (!known.has(text)) texts.add(text);
  }
  return [...texts];
}

function questions(random: Random): string {
  return Array.from({ length: random.whole(1, 4) }, () =>
    askKnown(random.pick(people), random.pick(attributes), random),
  ).join(' ');
}

function sums(random: Random): string {
  return Array.from({ length: 6 }, () => drawSum(random, 'corpus'))
    .map(sum => `${sum.left} ${sum.value}.`)
    .join(' ');
}
