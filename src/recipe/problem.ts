/** What is wrong with a recipe, where, and what to do about it. Knows nothing of YAML. */

/** Lines and columns count from 1; the end is the place after the last character. */
export interface Range {
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
}

export type KeyPath = (string | number)[];

/** A complaint before it has a place in a text. `at` says whether its key or its value is meant. */
export interface Complaint {
  severity: 'error' | 'warning';
  code: string;
  message: string;
  remedy?: string;
  /** What to write instead of what the range holds: a quick fix. */
  suggestion?: string;
  path: KeyPath;
  at: 'key' | 'value';
  /** Characters of the value that are meant, where it is a text: from, and the one after the last. */
  within?: { from: number; to: number };
}

export interface Problem extends Omit<Complaint, 'at' | 'within'> {
  range: Range;
}

export const wholeText: Range = { line: 1, column: 1, endLine: 1, endColumn: 1 };

/** `['method', 'narrow', 'tune', 0]` as people write it: `method.narrow.tune[0]`. */
export function pathText(path: KeyPath): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i > 0 ? `.${part}` : part)).join('');
}

/** A recipe that cannot be run. `message` tells the first problem and counts the others. */
export class RecipeError extends Error {
  readonly problems: Problem[];
  readonly code: string;
  readonly remedy?: string;

  constructor(problems: Problem[]) {
    const [first] = problems;
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
    super(`${first?.message ?? 'The recipe cannot be used'}${more}`);
    this.name = 'RecipeError';
    this.problems = problems;
    this.code = first?.code ?? 'recipe';
    this.remedy = first?.remedy;
  }
}
