/**
 * Where words go. For people: tables on stdout, progress and complaints on stderr. With --json: exactly one JSON value
 * on stdout and everything else on stderr.
 */
import type { ErrorReport } from '../protocol/result.ts';

export class Output {
  readonly json: boolean;
  #answered = false;

  constructor(json: boolean) {
    this.json = json;
  }

  get isTerminal(): boolean {
    return process.stderr.isTTY === true;
  }

  /** For people: a line of the result. */
  line(text = ''): void {
    (this.json ? process.stderr : process.stdout).write(`${visible(text)}\n`);
  }

  /** By the way. */
  note(text: string): void {
    process.stderr.write(`${visible(text)}\n`);
  }

  /** Without a newline, for progress bars. */
  draw(text: string): void {
    process.stderr.write(text);
  }

  /** The one JSON value; nothing when people are reading. */
  answer(value: unknown): void {
    if (!this.json || this.#answered) return;
    this.#answered = true;
    process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  error(error: ErrorReport): void {
    this.answer({ error });
    if (this.json) return;
    const place = error.file ? `${error.file}${error.line ? `:${error.line}` : ''}: ` : '';
    this.note(`holdfast: ${error.message.includes(error.file ?? '\0') ? '' : place}${error.message}`);
    if (error.remedy) this.note(`  ${error.remedy}`);
  }
}

/** A name, an answer or a log may hold what steers a terminal or turns the direction of writing: it is shown instead. */
export function visible(text: string): string {
  return text.replace(steering, letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const steering = /(?![\t\n])[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;
