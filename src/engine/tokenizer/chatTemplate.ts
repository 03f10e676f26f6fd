/**
 * A chat template (Jinja) and which characters of its output the assistant wrote. Two ways to tell: the template's own
 * `{% generation %}` tags, or rendering the conversation turn by turn. Knows nothing of tokens.
 */
import { Template } from '@huggingface/jinja';
import { EngineError } from '../engineError.ts';

export interface ChatMessage {
  role: string;
  content: string;
}

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
  readonly #specials: Record<string, string>;

  constructor(
    readonly text: string,
    specials: Record<string, string> = {},
  ) {
    this.#specials = specials;
    this.#template = parse(text);
    const marked = text.replace(generationTag, (_, left: string, end: string | undefined, right: string) => {
      return `{%${left} if true %}{{ '${end ? spanEnd : spanStart}' }}{% endif ${right}%}`;
    });
    this.#marked = marked === text ? null : parse(marked);
  }

  get hasGenerationTags(): boolean {
    return this.#marked !== null;
  }

  render(messages: ChatMessage[], addGenerationPrompt = false): string {
    return this.#render(this.#template, messages, addGenerationPrompt);
  }

  /** The conversation as text with the assistant's spans: by the template's tags where it has them, else by prefixes. */
  renderWithSpans(messages: ChatMessage[]): RenderedChat {
    return this.#marked ? this.spansByTags(messages) : this.spansByPrefixes(messages);
  }

  spansByTags(messages: ChatMessage[]): RenderedChat {
    if (!this.#marked) throw new EngineError('chat-template', 'The chat template has no {% generation %} tags');
    const marked = this.#render(this.#marked, messages, false);
    let text = '';
    const assistant: Span[] = [];
    for (const [i, piece] of marked.split(spanStart).entries()) {
      if (i === 0) {
        text += piece;
        continue;
      }
      const [inside, ...after] = piece.split(spanEnd);
      assistant.push({ start: text.length, end: text.length + inside!.length });
      text += inside! + after.join('');
    }
    if (text !== this.render(messages)) {
      throw new EngineError('chat-template', 'The generation tags of the chat template change what it writes', {
        remedy: 'Use {% generation %} tags that stand on the same lines as what they enclose.',
      });
    }
    return { text, assistant };
  }

  /** Turn i runs from where the conversation before it (with the generation prompt) ends to where it itself ends. */
  spansByPrefixes(messages: ChatMessage[]): RenderedChat {
    const text = this.render(messages);
    const assistant: Span[] = [];
    for (const [i, { role }] of messages.entries()) {
      if (role !== 'assistant') continue;
      const before = this.render(messages.slice(0, i), true);
      const upTo = this.render(messages.slice(0, i + 1));
      if (!text.startsWith(before) || !text.startsWith(upTo)) {
        throw new EngineError(
          'chat-template',
          `The chat template writes turn ${i + 1} differently once later turns follow, so the assistant's part cannot be found`,
          { remedy: 'Mark it in the template with {% generation %} … {% endgeneration %}, or split the conversation.' },
        );
      }
      assistant.push({ start: before.length, end: upTo.length });
    }
    return { text, assistant };
  }

  #render(template: Template, messages: ChatMessage[], addGenerationPrompt: boolean): string {
    try {
      return template.render({ ...this.#specials, messages, add_generation_prompt: addGenerationPrompt });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new EngineError('chat-template', `The chat template refused the conversation: ${why}`, { cause });
    }
  }
}

function parse(text: string): Template {
  try {
    return new Template(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError('chat-template', `The tokenizer's chat template cannot be read: ${why}`, { cause });
  }
}
