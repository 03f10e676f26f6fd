/**
 * Finds items that are judged and also trained on, by hashing normalised text: whole rows, their paragraphs, their lines
 * and their answers. Knows nothing of tokens or models.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Content, ExampleFile } from '../data/examples.ts';
import { EngineError } from '../engineError.ts';
import type { ChatMessage } from '../tokenizer/chatTemplate.ts';
import { itemText, type ProbeSet } from './probeSets.ts';

/** An answer alone counts only when it is long enough not to be equal by chance. */
const longAnswer = 40;

export interface Place {
  file: string;
  line: number;
}

/** Every text that is trained on, by its hash. */
export class TrainedTexts {
  readonly #places = new Map<string, Place>();

  add({ file, examples }: ExampleFile): void {
    for (const example of examples) {
      for (const text of textsOf(example)) this.#add(text, { file: example.file ?? file, line: example.line });
    }
  }

  find(text: string): Place | undefined {
    return this.#places.get(textHash(text));
  }

  #add(text: string, place: Place): void {
    if (normalise(text) === '') return;
    const hash = textHash(text);
    if (!this.#places.has(hash)) this.#places.set(hash, place);
  }
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
