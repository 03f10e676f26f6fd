/**
 * YAML text to plain values, with the place of every key, and with limits that hostile files cannot pass: size, depth,
 * aliases, merge keys, tags. Knows nothing of recipes.
 */
import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
} from 'yaml';
import type { Complaint, KeyPath, Problem, Range } from './problem.ts';

export const limits = { bytes: 256 * 1024, tokens: 10_000, depth: 32, nodes: 20_000, problems: 100 };

export interface YamlText {
  /** Undefined when the text could not be read at all. */
  value: unknown;
  problems: Problem[];
  rangeOf(path: KeyPath, at?: Complaint['at']): Range | undefined;
}

export function readYaml(text: string): YamlText {
  if (text.length > limits.bytes || new TextEncoder().encode(text).length > limits.bytes) {
    const message = `The recipe is larger than ${limits.bytes / 1024} KB`;
    const remedy = 'Keep data in files of its own and name them in the recipe.';
    return failure({ severity: 'error', code: 'too-big', message, remedy, path: [], range: firstPlace });
  }
  if (!hasFewTokens(text)) {
    const message = `The recipe holds more than ${limits.tokens} words and signs`;
    const remedy = 'Keep data in files of its own and name them in the recipe.';
    return failure({ severity: 'error', code: 'too-big', message, remedy, path: [], range: firstPlace });
  }
  const lineCounter = new LineCounter();
  const document = parse(text, lineCounter);
  const place = (from: number, to: number): Range => {
    const [start, end] = [lineCounter.linePos(from), lineCounter.linePos(Math.max(to, from))];
    return { line: start.line, column: start.col, endLine: end.line, endColumn: end.col };
  };
  const problems = [
    ...document.errors
      .slice(0, limits.problems)
      .map(error => syntaxProblem(error.code, error.message, place(...error.pos))),
    ...forbidden(document.contents, place),
  ];
  const { value, stopped } = plainValue(document.contents, place);
  if (stopped) problems.push(stopped);
  if (problems.length > 0)
    return { ...failure(...problems), rangeOf: path => find(document.contents, path, 'key', place) };
  return { value, problems, rangeOf: (path, at = 'key') => find(document.contents, path, at, place) };
}

/** Splitting is quick and goes no deeper; a tree of as many brackets or broken quotes as fit the size takes seconds. */
function hasFewTokens(text: string): boolean {
  let tokens = 0;
  for (const _ of new Lexer().lex(text)) if (++tokens > limits.tokens) return false;
  return true;
}

/** Broken text makes thousands of errors; their stacks tell nothing and are most of the cost. */
function parse(text: string, lineCounter: LineCounter) {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, strict: true, merge: false });
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

type Place = (from: number, to: number) => Range;
const firstPlace: Range = { line: 1, column: 1, endLine: 1, endColumn: 1 };

const failure = (...problems: Problem[]): YamlText => ({ value: undefined, problems, rangeOf: () => undefined });

const syntaxRemedies: Record<string, string> = {
  TAB_AS_INDENT: 'Indent with spaces.',
  DUPLICATE_KEY: 'Keep one of them.',
  MULTIPLE_DOCS: 'Keep one recipe a file: remove the line ---.',
  MISSING_CHAR: 'Look for a missing quote, bracket, comma or colon just before this place.',
  BAD_INDENT: 'Keys of one section start in the same column.',
  BLOCK_AS_IMPLICIT_KEY: 'Look for a missing line break, or quote the text.',
  MULTILINE_IMPLICIT_KEY: 'Look for a missing colon.',
};

/** Where the parser speaks to programmers. */
const ownWords: Record<string, string> = {
  DUPLICATE_KEY: 'This key stands here twice',
  MULTIPLE_DOCS: 'A second recipe begins here',
};

function syntaxProblem(code: string, message: string, range: Range): Problem {
  const names: Record<string, string> = { DUPLICATE_KEY: 'duplicate-key', TAB_AS_INDENT: 'tab' };
  const remedy = syntaxRemedies[code] ?? 'Correct the YAML here; the rest of the file is read after that.';
  const text = ownWords[code] ?? message;
  return { severity: 'error', code: names[code] ?? 'yaml', message: text, remedy, path: [], range };
}

/** Merge keys and tags: they let a text mean something else than it says. */
function forbidden(root: Node | null, place: Place): Problem[] {
  const problems: Problem[] = [];
  const add = (code: string, message: string, remedy: string, node: Node): void => {
    problems.push({ severity: 'error', code, message, remedy, path: [], range: placeOf(node, place) ?? firstPlace });
  };
  visit(root, {
    Pair(_, pair) {
      if (isScalar(pair.key) && pair.key.value === '<<')
        add('merge-key', 'Merge keys (<<) are not taken', 'Write the keys out.', pair.key);
    },
    Node(_, node) {
      if (!isAlias(node) && node.tag)
        add('tag', `The tag ${node.tag} is not taken`, 'Remove the tag; a recipe holds plain values.', node);
    },
  });
  return problems;
}

/** Own conversion, so that depth and size are counted after aliases are followed. */
function plainValue(root: Node | null, place: Place): { value: unknown; stopped?: Problem } {
  const anchors = new Map<string, Node>();
  let nodes = 0;
  let stopped: Problem | undefined;
  const stop = (code: string, message: string, remedy: string, node: Node): undefined => {
    stopped ??= { severity: 'error', code, message, remedy, path: [], range: placeOf(node, place) ?? firstPlace };
    return undefined;
  };
  const convert = (node: unknown, depth: number): unknown => {
    if (stopped || !isNode(node)) return null;
    nodes += 1;
    if (nodes > limits.nodes) return stop('aliases', 'The recipe holds too many values', 'Use fewer aliases.', node);
    if (depth > limits.depth)
      return stop('too-deep', `Nested deeper than ${limits.depth} levels`, 'A recipe needs five levels at most.', node);
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      return target
        ? convert(target, depth + 1)
        : stop('yaml', `There is no anchor &${node.source} above`, 'Write the value itself.', node);
    }
    if (node.anchor) anchors.set(node.anchor, node);
    if (isScalar(node)) return node.value;
    if (isSeq(node)) return node.items.map(item => convert(item, depth + 1));
    if (!isMap(node)) return null;
    return Object.fromEntries(node.items.map(pair => entry(pair, depth)));
  };
  const entry = (pair: Pair, depth: number): [string, unknown] => {
    if (isScalar(pair.key) && pair.key.value !== '__proto__')
      return [String(pair.key.value), convert(pair.value, depth + 1)];
    if (isNode(pair.key)) stop('bad-key', 'This cannot be a key', 'A key is a plain word.', pair.key);
    return ['', null];
  };
  return { value: convert(root, 0), stopped };
}

const isNode = (node: unknown): node is Node => isScalar(node) || isMap(node) || isSeq(node) || isAlias(node);

/** The node a path leads to; where it ends early, nothing. */
function find(root: Node | null, path: KeyPath, at: Complaint['at'], place: Place): Range | undefined {
  let node: unknown = root;
  let key: unknown;
  for (const part of path) {
    key = undefined;
    if (isMap(node)) {
      const pair = node.items.find(
        item => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
      );
      if (!pair) return undefined;
      key = pair.key;
      node = pair.value;
    } else if (isSeq(node)) node = node.items[Number(part)];
    else return undefined;
  }
  const wanted = at === 'key' ? [key, node] : [node, key];
  for (const candidate of wanted) {
    const range = isNode(candidate) ? placeOf(candidate, place) : undefined;
    if (range) return range;
  }
  return undefined;
}

/** An empty value has a place of no width: its key says more. */
function placeOf(node: Node, place: Place): Range | undefined {
  const range = node.range;
  return range && range[1] > range[0] ? place(range[0], range[1]) : undefined;
}
