/**
 * A chat template (Jinja) and which characters of its output the assistant wrote. Four ways to tell: the template's own
 * `{% generation %}` tags; rendering the conversation turn by turn; marking the contents, for templates that write a turn
 * differently once others follow; and, where such a template writes calls of tools, another turn in the place of each.
 * Knows nothing of tokens.
 */
import { Template } from '@huggingface/jinja';
import { EngineError } from '../engineError.ts';
import { stripAsPython, stripFunctions } from './pythonStrip.ts';

/** A turn as the row has it: templates read more of it than its content. */
export interface ChatMessage {
  role: string;
  content?: string | null;
  tool_calls?: unknown[];
  [more: string]: unknown;
}

/** JSON schemas of what the model may call, as the row has them. */
export type ChatTools = readonly object[];

/** Character range [start, end) of the rendered text. */
export interface Span {
  start: number;
  end: number;
}

export interface RenderedChat {
  text: string;
  assistant: Span[];
}

/** Private-use characters stand where the generation tags were; as blocks, so that line trimming stays the same. */
const spanStart = '\uE0F0\uE0F1';
const spanEnd = '\uE0F1\uE0F0';
const generationTag = /\{%(-?)\s*(end)?generation\s*(-?)%\}/g;

export class ChatTemplate {
  readonly #template: Template;
  readonly #marked: Template | null;
  readonly #specials: Record<string, unknown>;

  constructor(
    readonly text: string,
    specials: Record<string, string> = {},
    /** Texts of the tokens that end an answer. */
    readonly ends: readonly string[] = [],
  ) {
    this.#specials = { ...specials, ...stripFunctions, [fixedDate]: formatFixedDate };
    this.#template = parse(text);
    const marked = text.replace(generationTag, (_, left: string, end: string | undefined, right: string) => {
      return `{%${left} if true %}{{ '${end ? spanEnd : spanStart}' }}{% endif ${right}%}`;
    });
    this.#marked = marked === text ? null : parse(marked);
  }

  get hasGenerationTags(): boolean {
    return this.#marked !== null;
  }

  render(messages: ChatMessage[], addGenerationPrompt = false, tools?: ChatTools): string {
    return this.#render(this.#template, messages, addGenerationPrompt, tools);
  }

  /** The conversation as text with the assistant's spans, told by the first way that this template allows. */
  renderWithSpans(messages: ChatMessage[], tools?: ChatTools): RenderedChat {
    this.#refuseUnwritten(messages, tools);
    if (this.#marked) return this.spansByTags(messages, tools);
    const byPrefixes = this.spansByPrefixes(messages, tools);
    if (byPrefixes) return byPrefixes;
    return messages.some(isCalling) ? this.spansByStandIns(messages, tools) : this.spansByContents(messages, tools);
  }

  spansByTags(messages: ChatMessage[], tools?: ChatTools): RenderedChat {
    if (!this.#marked) throw new EngineError('chat-template', 'The chat template has no {% generation %} tags');
    const found = cutMarks(this.#render(this.#marked, messages, false, tools));
    if (found.text === this.render(messages, false, tools)) return found;
    throw new EngineError('chat-template', 'The generation tags of the chat template change what it writes', {
      remedy: 'Use {% generation %} tags that stand on the same lines as what they enclose.',
    });
  }

  /**
   * Turn i runs from where the conversation before it (with the generation prompt) ends to where it itself ends. Null
   * when these are not beginnings of the whole.
   */
  spansByPrefixes(messages: ChatMessage[], tools?: ChatTools): RenderedChat | null {
    const text = this.render(messages, false, tools);
    const assistant: Span[] = [];
    for (const [i, { role }] of messages.entries()) {
      if (role !== 'assistant') continue;
      const before = this.render(messages.slice(0, i), true, tools);
      const upTo = this.render(messages.slice(0, i + 1), false, tools);
      if (!text.startsWith(before) || !text.startsWith(upTo)) return null;
      assistant.push({ start: before.length, end: upTo.length });
    }
    return { text, assistant };
  }

  /**
   * Marks the assistant's contents before rendering; the end token right behind one belongs to it. Where the template
   * trims them, the marks stand within the blanks.
   */
  spansByContents(messages: ChatMessage[], tools?: ChatTools): RenderedChat {
    const found =
      this.#markedContents(messages, /^()(.*)()$/s, tools) ??
      this.#markedContents(messages, /^(\s*)(.*?)(\s*)$/s, tools);
    if (found === null) throw cannotBeFound();
    return this.#withEnds(found);
  }

  /**
   * Each of the assistant's turns in turn gives way to one that begins and ends like no other: what the two texts have in
   * common before and behind it is not the assistant's, but for the end token. The whole turn is found, calls and all.
   */
  spansByStandIns(messages: ChatMessage[], tools?: ChatTools): RenderedChat {
    const text = this.render(messages, false, tools);
    const assistant = messages.flatMap((message, i) => {
      if (message.role !== 'assistant') return [];
      const standIn = { role: 'assistant', content: spanStart + spanEnd };
      const other = this.render(messages.with(i, standIn), false, tools);
      if (!other.includes(standIn.content)) throw cannotBeFound();
      const start = commonStart(text, other);
      const end = text.length - commonEnd(text.slice(start), other.slice(start));
      return [{ start, end }];
    });
    if (assistant.some(({ start }, i) => i > 0 && start < assistant[i - 1]!.end)) throw cannotBeFound();
    return this.#withEnds({ text, assistant });
  }

  #withEnds({ text, assistant }: RenderedChat): RenderedChat {
    const ends = [String(this.#specials.eos_token ?? ''), ...this.ends].filter(each => each !== '');
    const extended = assistant.map(({ start, end }) => {
      return { start, end: end + (ends.find(each => text.startsWith(each, end))?.length ?? 0) };
    });
    return { text, assistant: extended };
  }

  /** `parts`: of a content, what stands before, within and behind the marks. Null when the template writes otherwise. */
  #markedContents(messages: ChatMessage[], parts: RegExp, tools?: ChatTools): RenderedChat | null {
    const marked = messages.map(message => {
      if (message.role !== 'assistant') return message;
      return { ...message, content: (message.content ?? '').replace(parts, `$1${spanStart}$2${spanEnd}$3`) };
    });
    const found = cutMarks(this.#render(this.#template, marked, false, tools));
    const answers = messages.filter(({ role }) => role === 'assistant').length;
    return found.text === this.render(messages, false, tools) && found.assistant.length === answers ? found : null;
  }

  /** What the template would leave out in silence would never be learned. */
  #refuseUnwritten(messages: ChatMessage[], tools?: ChatTools): void {
    const key = messages.some(isCalling) && !/\btool_calls\b/.test(this.text) ? 'tool_calls' : 'tools';
    if (key === 'tools' && (!tools || /\btools\b/.test(this.text))) return;
    throw new EngineError('chat-template', `The conversation has ${key}, but the chat template writes none`, {
      remedy: 'Tune a model whose chat template knows tools, or write calls and results as text into the contents.',
    });
  }

  /** Variables as transformers gives them: without tools there are none, which is not the same as undefined. */
  #render(template: Template, messages: ChatMessage[], addGenerationPrompt: boolean, tools?: ChatTools): string {
    const variables = { messages, tools: tools ?? null, documents: null, add_generation_prompt: addGenerationPrompt };
    try {
      return template.render({ ...this.#specials, ...variables });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new EngineError('chat-template', `The chat template refused the conversation: ${why}`, { cause });
    }
  }
}

const isCalling = ({ tool_calls: calls }: ChatMessage): boolean => calls !== undefined && calls.length > 0;

const cannotBeFound = (): EngineError =>
  new EngineError('chat-template', "The chat template rewrites the assistant's turns, so they cannot be found", {
    remedy: 'Mark them in the template with {% generation %} … {% endgeneration %}, or split the conversation.',
  });

function commonStart(a: string, b: string): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}

function commonEnd(a: string, b: string): number {
  let i = 0;
  while (i < a.length && i < b.length && a.at(-1 - i) === b.at(-1 - i)) i++;
  return i;
}

function cutMarks(marked: string): RenderedChat {
  let text = '';
  const assistant: Span[] = [];
  for (const [i, piece] of marked.split(spanStart).entries()) {
    const [inside, ...after] = i === 0 ? ['', piece] : piece.split(spanEnd);
    if (i > 0) assistant.push({ start: text.length, end: text.length + inside!.length });
    text += inside! + after.join('');
  }
  return { text, assistant };
}

/** Some templates write today's date. A run must not depend on the day: they get the one Llama 3 falls back to. */
const fixedDate = 'holdfast_fixed_date';
const dateParts: Record<string, string> = {
  ...{ '%d': '26', '%m': '07', '%b': 'Jul', '%B': 'July', '%Y': '2024', '%y': '24', '%A': 'Friday', '%a': 'Fri' },
  ...{ '%H': '00', '%M': '00', '%S': '00' },
};
const formatFixedDate = (format: string): string => format.replace(/%[a-zA-Z]/g, part => dateParts[part] ?? '');

function parse(text: string): Template {
  try {
    const template = new Template(`{% set strftime_now = ${fixedDate} %}{{ '' }}${text}`);
    stripAsPython(template);
    return template;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError('chat-template', `The tokenizer's chat template cannot be read: ${why}`, {
      remedy:
        'Correct chat_template in tokenizer_config.json (or chat_template.jinja), or write rows of {prompt, completion}.',
      cause,
    });
  }
}
