/**
 * Tells whether a probe set's distribution is also replayed: such a set wins by construction and is marked everywhere.
 *
 * The rule: cut every text into templates of four neighbouring words (numbers count as one word, case does not count,
 * punctuation is a word). A set is `replayed` when, on average over its items, at least half of an item's templates occur in
 * the replay rows. It is a rule about wording: replay that teaches the same thing in other words is not found by it.
 */
import type { Content } from '../data/examples.ts';
import { wholeText } from './overlap.ts';
import { itemText, type ProbeSet } from './probeSets.ts';

export const replayedThreshold = 0.5;
const templateWords = 4;

/** Of the templates of probe items, those that are replayed. Only these are held: what is replayed passes by. */
export class ReplayedTemplates {
  readonly #isReplayed = new Map<string, boolean>();

  constructor(sets: ProbeSet[]) {
    for (const { items } of sets) {
      for (const item of items)
        for (const template of templatesOf(itemText(item))) this.#isReplayed.set(template, false);
    }
  }

  add(content: Content): void {
    for (const template of templatesOf(wholeText(content))) {
      if (this.#isReplayed.has(template)) this.#isReplayed.set(template, true);
    }
  }

  has(template: string): boolean {
    return this.#isReplayed.get(template) === true;
  }
}

/** Mean over items of the share of an item's templates that are replayed, 0 to 1. */
export function replayedShare({ items }: ProbeSet, replayed: ReplayedTemplates): number {
  const shares = items.map(item => {
    const templates = templatesOf(itemText(item));
    return templates.filter(template => replayed.has(template)).length / templates.length;
  });
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

/** A text of fewer words is one template. */
function templatesOf(text: string): string[] {
  const words = text.toLowerCase().match(/\p{L}+|\p{N}+|[^\s\p{L}\p{N}]/gu) ?? [''];
  const shapes = words.map(word => (/^\p{N}/u.test(word) ? '0' : word));
  const count = Math.max(1, shapes.length - templateWords + 1);
  return Array.from({ length: count }, (_, i) => shapes.slice(i, i + templateWords).join(' '));
}
