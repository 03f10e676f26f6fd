/**
 * Finds items that are judged and also trained on, by hashing normalised text: whole rows, their paragraphs, their lines
 * and their answers. Knows nothing of tokens or models.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Content, Example, ExampleFile } from '../data/examples.ts';
import { EngineError } from '../engineError.ts';
import type { ChatMessage } from '../tokenizer/chatTemplate.ts';
import { itemText, type ProbeSet } from './probeSets.ts';

/** An answer alone counts only when it is long enough not to be equal by chance. */
const longAnswer = 40;

export interface Place {
  file: string;
  line: number;
}

/** Of the texts that are judged, those that are also trained on. Only these are held: what is trained on passes by. */
export class TrainedTexts {
  readonly #places = new Map<string, Place | null>();

  constructor(judged: Iterable<string>) {
    for (const text of judged) if (normalise(text) !== '') this.#places.set(textHash(text), null);
  }

  /** Where a text was seen first counts. */
  add(file: string, example: Example): void {
    if (this.#places.size === 0) return;
    for (const text of textsOf(example)) {
      const hash = textHash(text);
      if (this.#places.get(hash) === null) {
        this.#places.set(hash, { file: example.file ?? file, line: example.line });
      }
    }
  }

  find(text: string): Place | undefined {
    return this.#places.get(textHash(text)) ?? undefined;
  }
}

/** Every text of which it must be known whether it is trained on. */
export function* judgedTexts(sets: ProbeSet[], evals: ExampleFile[]): Iterable<string> {
  for (const { items } of sets) for (const item of items) yield itemText(item);
  for (const { examples } of evals) for (const example of examples) yield wholeText(example);
}

/** Throws `probe-overlap`, naming the first of the items found and where it is trained on. */
export function refuseProbeOverlap(sets: ProbeSet[], trained: TrainedTexts): void {
  for (const { name, file, items } of sets) {
    const found = items.flatMap(item => {
      const place = trained.find(itemText(item));
      return place ? [{ item, place }] : [];
    });
    const first = found[0];
    if (!first) continue;
    const { item, place } = first;
    throw new EngineError(
      'probe-overlap',
      `${found.length} of ${items.length} items of the probe set ${name} are also trained on; the first is ${basename(file)}, line ${item.line} = ${basename(place.file)}, line ${place.line}`,
      { file, line: item.line, remedy: 'Remove these rows from the training data, or these items from the probe set.' },
    );
  }
}

/** How many held-out rows are trained on too. */
export function countTrained({ examples }: ExampleFile, trained: TrainedTexts): number {
  return examples.filter(example => trained.find(wholeText(example))).length;
}

export function normalise(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
}

function textsOf(content: Content): string[] {
  const whole = wholeText(content);
  const parts = whole.includes('\n') ? [...whole.split(/\n\s*\n/), ...whole.split('\n')] : [];
  return [whole, ...parts, ...answersOf(content).filter(answer => answer.length >= longAnswer)];
}

export function wholeText(content: Content): string {
  switch (content.form) {
    case 'text':
      return content.text;
    case 'completion':
      return content.prompt + content.completion;
    case 'instruction':
      return `${content.instruction}\n${content.output}`;
    case 'chat':
      return content.messages.map(textOfTurn).join('\n');
    default:
      return content satisfies never;
  }
}

function answersOf(content: Content): string[] {
  switch (content.form) {
    case 'text':
      return [];
    case 'completion':
      return [content.completion];
    case 'instruction':
      return [content.output];
    case 'chat':
      return content.messages.filter(({ role }) => role === 'assistant').map(textOfTurn);
    default:
      return content satisfies never;
  }
}

/** With what it calls. */
const textOfTurn = ({ content, tool_calls: calls = [] }: ChatMessage): string =>
  [...(content ? [content] : []), ...calls.map(call => JSON.stringify(call))].join('\n');

const textHash = (text: string): string => createHash('sha1').update(normalise(text)).digest('base64');
