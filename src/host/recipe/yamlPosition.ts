/**
 * Which key of a recipe a position belongs to, told from indentation and braces, so that it works while the text does
 * not parse. Knows no schema and no editor.
 */
export interface YamlPosition {
  /** Keys from the top down to the map that holds `key`. */
  parents: string[];
  /** The key the position is on, or whose value it is in; empty where a new key may begin. */
  key: string;
  isInValue: boolean;
  /** Columns of `key`, from 0; where a new key may begin: of what has been typed. */
  from: number;
  to: number;
}

const keyLine = /^(\s*(?:- +)*)(["']?)([\w.-]+)\2\s*:(?=\s|$)/;

export function yamlPositionAt(lines: readonly string[], line: number, column: number): YamlPosition | undefined {
  const text = lines[line] ?? '';
  if (isComment(text, column)) return undefined;
  const match = keyLine.exec(text);
  if (!match) return newKey(lines, line, column, text);
  const [head, before = '', quote = '', key = ''] = match;
  const parents = parentsOf(lines, line, before.length);
  const from = before.length + quote.length;
  const on: YamlPosition = { parents, key, isInValue: column >= head.length, from, to: from + key.length };
  return column >= head.length ? (withinBraces(text, head.length, column, [...parents, key]) ?? on) : on;
}

function newKey(lines: readonly string[], line: number, column: number, text: string): YamlPosition | undefined {
  const typed = /^(\s*(?:- +)*)([\w.-]*)\s*$/.exec(text);
  if (!typed) return undefined;
  const indent = typed[2] ? (typed[1] ?? '').length : Math.min(column, text.length);
  const to = indent + (typed[2] ?? '').length;
  return { parents: parentsOf(lines, line, indent), key: '', isInValue: false, from: indent, to };
}

/** The chain of keys above with ever smaller indentation. */
function parentsOf(lines: readonly string[], line: number, indent: number): string[] {
  const parents: string[] = [];
  for (let at = line - 1; at >= 0 && indent > 0; at -= 1) {
    const match = keyLine.exec(lines[at] ?? '');
    if (!match || (match[1] ?? '').length >= indent) continue;
    indent = (match[1] ?? '').length;
    parents.unshift(match[3] ?? '');
  }
  return parents;
}

/** Inside `{ a: 1, b: … }` on one line; undefined when every brace before the position is closed. */
function withinBraces(text: string, start: number, column: number, path: string[]): YamlPosition | undefined {
  const keys: string[] = [];
  let depth = 0;
  let token = start;
  let quote = '';
  let isInList = 0;
  for (let at = start; at < column; at += 1) {
    const character = text[at] ?? '';
    if (quote) {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '[') isInList += 1;
    else if (character === ']') isInList -= 1;
    else if (isInList > 0) continue;
    else if (character === '{') {
      depth += 1;
      token = at + 1;
    } else if (character === '}') {
      depth -= 1;
      keys.length = Math.min(keys.length, Math.max(0, depth));
    } else if (character === ',') {
      keys.length = depth - 1;
      token = at + 1;
    } else if (character === ':' && depth > keys.length) keys.push(text.slice(token, at).trim());
  }
  if (depth <= 0) return undefined;
  return keys.length >= depth
    ? { parents: [...path, ...keys.slice(0, -1)], key: keys.at(-1) ?? '', isInValue: true, ...span(text, token) }
    : { parents: [...path, ...keys], isInValue: false, ...keyAt(text, token) };
}

function keyAt(text: string, token: number): { key: string; from: number; to: number } {
  const { from, to } = span(text, token);
  const isKey = /^\s*:/.test(text.slice(to));
  return { key: isKey ? text.slice(from, to) : '', from, to };
}

function span(text: string, token: number): { from: number; to: number } {
  const from = token + (/^\s*/.exec(text.slice(token))?.[0].length ?? 0);
  return { from, to: from + (/^[\w.-]*/.exec(text.slice(from))?.[0].length ?? 0) };
}

function isComment(text: string, column: number): boolean {
  const hash = /(^|\s)#/.exec(text);
  return hash !== null && hash.index + (hash[1] ?? '').length < column;
}
