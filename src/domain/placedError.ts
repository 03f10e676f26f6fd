/** A failure the user can act on: a code for programs, place and remedy for people. Each area throws its own kind of it. */
export class PlacedError extends Error {
  readonly code: string;
  readonly file?: string;
  readonly line?: number;
  readonly remedy?: string;

  constructor(
    code: string,
    message: string,
    options: { file?: string; line?: number; remedy?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.file = options.file;
    this.line = options.line;
    this.remedy = options.remedy;
  }
}
