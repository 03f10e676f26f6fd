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
    (this.json ? process.stderr : process.stdout).write(`${text}\n`);
  }

  /** By the way. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
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
    process.stderr.write(`holdfast: ${error.message.includes(error.file ?? '\0') ? '' : place}${error.message}\n`);
    if (error.remedy) process.stderr.write(`  ${error.remedy}\n`);
  }
}
