/**
 * strip, lstrip and rstrip as Python has them: with the characters that go, and Python's blanks. The Jinja library takes
 * no notice of the characters, so that a template that removes line breaks would remove leading blanks too.
 */
import type { Template } from '@huggingface/jinja';

type Node = Record<string, unknown>;

const methods = new Set(['strip', 'lstrip', 'rstrip']);
const prefix = 'holdfast_';
/** What str.isspace() is true of. */
const blanks = new Set(
  '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000',
);

/** Calls of these methods become calls of the functions below. Changes the template. */
export function stripAsPython(template: Template): void {
  visit(template.parsed as unknown as Node);
}

/** What the changed template needs among its variables. */
export const stripFunctions: Record<string, unknown> = Object.fromEntries(
  [...methods].map(name => [prefix + name, (text: string, characters?: unknown) => stripped(name, text, characters)]),
);

function visit(node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  const { type, callee, args } = node as Node;
  const { object, property, computed } = (callee ?? {}) as Node;
  const name = String((property as Node | undefined)?.value);
  if (type === 'CallExpression' && Array.isArray(args) && computed === false && methods.has(name)) {
    Object.assign(node, {
      callee: Object.assign(property as Node, { value: prefix + name }),
      args: [object, ...args],
    });
  }
  for (const each of Object.values(node)) visit(each);
}

function stripped(method: string, text: string, characters: unknown): string {
  const gone = typeof characters === 'string' ? new Set(characters) : blanks;
  let [start, end] = [0, text.length];
  if (method !== 'rstrip') while (start < end && gone.has(text[start]!)) start++;
  if (method !== 'lstrip') while (end > start && gone.has(text[end - 1]!)) end--;
  return text.slice(start, end);
}
