/**
 * Recipe text to a checked recipe. Every complaint has its place in the text and says what to do. Knows no files: whether
 * a path leads anywhere is found out by whoever starts a run.
 */
import { type Complaint, type KeyPath, type Problem, type Range, wholeText } from './problem.ts';
import { crossFieldComplaints } from './rules.ts';
import { type Recipe, recipeSchema } from './schema.ts';
import { isRecord, schemaComplaints, valueAt } from './schemaComplaints.ts';
import { sweepComplaints } from './sweepComplaints.ts';
import { readYaml, type YamlText } from './yamlText.ts';

export type { KeyPath, Problem, Range } from './problem.ts';

export interface ParsedRecipe {
  /** Null when there is an error; warnings leave it usable. */
  recipe: Recipe | null;
  /** In the order of the text. */
  problems: Problem[];
  /** Where a key stands (its value for `at: 'value'` and for list entries). Works for broken recipes too. */
  rangeOf(path: KeyPath, at?: Complaint['at']): Range | undefined;
}

let last: { text: string; file: string | undefined; parsed: ParsedRecipe } | undefined;

/** Who warns, who resolves and who starts ask of the same text: what came of the last one is given again. */
export function parseRecipe(text: string, file?: string): ParsedRecipe {
  if (last?.text !== text || last.file !== file) last = { text, file, parsed: parse(text, file) };
  return last.parsed;
}

function parse(text: string, file: string | undefined): ParsedRecipe {
  const yaml = readYaml(text);
  const { rangeOf } = yaml;
  if (yaml.problems.length > 0) return { recipe: null, problems: inOrder(yaml.problems), rangeOf };
  if (!isRecord(yaml.value)) return { recipe: null, problems: [noRecipe(yaml.value, file)], rangeOf };
  const { recipe, complaints } = checkRecipe(yaml.value);
  const problems = inOrder(complaints.map(complaint => placed(complaint, yaml)));
  return { recipe: problems.some(problem => problem.severity === 'error') ? null : recipe, problems, rangeOf };
}

/** Schema first; rules over several keys only when each key is right. */
export function checkRecipe(value: unknown): { recipe: Recipe | null; complaints: Complaint[] } {
  const parsed = recipeSchema.safeParse(value);
  if (!parsed.success) return { recipe: null, complaints: schemaComplaints(parsed.error.issues, value) };
  const { data } = parsed;
  return {
    recipe: data,
    complaints: [...crossFieldComplaints(data), ...sweepComplaints(data, crossFieldComplaints)],
  };
}

/** A missing key is shown at the section that lacks it, a key of a default at the nearest section that is written. */
function placed({ at, within, ...complaint }: Complaint, yaml: YamlText): Problem {
  const path = writtenPath(complaint.path, yaml.value);
  for (let length = path.length; length > 0; length--) {
    const isWhole = length === path.length;
    const range = yaml.rangeOf(path.slice(0, length), isWhole ? at : 'key');
    if (range) return { ...complaint, range: isWhole ? partOf(range, valueAt(yaml.value, path), within) : range };
  }
  return { ...complaint, range: wholeText };
}

/** A text may stand where a list of texts is taken. */
function writtenPath(path: KeyPath, value: unknown): KeyPath {
  const above = path.slice(0, -1);
  return path.at(-1) === 0 && typeof valueAt(value, above) === 'string' ? above : path;
}

/** Part of a text on one line, quoted or not; where escapes or breaks move its characters, all of it. */
function partOf(range: Range, value: unknown, within: Complaint['within']): Range {
  if (!within || typeof value !== 'string' || range.line !== range.endLine) return range;
  const quote = (range.endColumn - range.column - value.length) / 2;
  if (quote !== 0 && quote !== 1) return range;
  const start = range.column + quote;
  return { ...range, column: start + within.from, endColumn: start + within.to };
}

function noRecipe(value: unknown, file?: string): Problem {
  const isEmpty = value === null || value === undefined;
  const message = `${file ?? 'The recipe'} ${isEmpty ? 'is empty' : 'is no recipe: it holds no keys'}`;
  const remedy = 'Start with model: and data: (the command Holdfast: New Recipe writes a starter).';
  return { severity: 'error', code: isEmpty ? 'empty' : 'wrong-type', message, remedy, path: [], range: wholeText };
}

const inOrder = (problems: Problem[]): Problem[] =>
  problems.toSorted((a, b) => a.range.line - b.range.line || a.range.column - b.range.column);
