/** The schema's complaints in words, each with the key it is about and a remedy. Knows nothing of places in a text. */
import type * as z from 'zod';
import { foreignValue, isLaterKey, isLaterValue, keysOf, meantKey, nearest } from './keyNames.ts';
import { type Complaint, type KeyPath, pathText } from './problem.ts';

type Issue = z.core.$ZodIssue;

export function schemaComplaints(issues: readonly Issue[], input: unknown): Complaint[] {
  return issues.flatMap(issue => complaintsOf(issue, [], input));
}

function complaintsOf(issue: Issue, prefix: KeyPath, input: unknown): Complaint[] {
  const path = [...prefix, ...issue.path.filter(part => typeof part !== 'symbol')];
  const value = valueAt(input, path);
  const name = pathText(path) || 'The recipe';
  if (isLaterValue(plainPath(path), value)) return [later(path, `${name}: ${value}`, 'value')];
  const bad = (code: string, message: string, remedy?: string): Complaint[] => [
    { severity: 'error', code, message, remedy, path, at: 'value' },
  ];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(key => unknownKey(path, key));
    case 'invalid_type':
      if (value === undefined || value === null) return [missing(path, issue.expected, value)];
      return bad(
        'wrong-type',
        `${name} must be ${typeNames[issue.expected] ?? issue.expected}, not ${shown(value)}`,
        typeRemedy(path, issue.expected, value),
      );
    case 'invalid_value': {
      const values = issue.values.map(String);
      if (value === undefined) return [missing(path, values.join(' or '), value)];
      const near = typeof value === 'string' ? nearest(value, values) : undefined;
      const remedy = foreignValue(plainPath(path), value) ?? (near && `Did you mean ${near}?`);
      return bad('bad-value', `${name} must be ${listed(values)}, not ${shown(value)}`, remedy);
    }
    case 'too_small':
      return bad('out-of-range', `${name} must ${lower(issue)}${unlike(issue, value)}`);
    case 'too_big':
      return bad('out-of-range', `${name} must ${upper(issue)}${unlike(issue, value)}`);
    case 'invalid_format':
    case 'invalid_key':
      return [badName(path)];
    case 'invalid_union':
      return unionComplaints(issue.errors, path, input, value);
    default:
      return bad('bad-value', `${name}: ${issue.message}`);
  }
}

const typeNames: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list, such as [a, b]',
  object: 'a section with keys of its own',
  record: 'a map of names',
};

function typeRemedy(path: KeyPath, expected: string, value: unknown): string | undefined {
  if (path[0] === 'sweep' && isRecord(value)) return 'Write whole key paths: method.regularize.weight: [0.1, 1].';
  if (expected !== 'array') return undefined;
  return typeof value === 'string' && /^[\w.-]+$/.test(value) ? `Write [${value}].` : 'Put it in [ and ].';
}

/** Of a text or a list the size is meant, which need not be shown. */
const unlike = ({ origin }: { origin: string }, value: unknown): string =>
  ['string', 'array', 'set'].includes(origin) ? '' : `, not ${shown(value)}`;

function unknownKey(section: KeyPath, key: string): Complaint {
  const path = [...section, key];
  const where = plainPath(section);
  const full = where ? `${where}.${key}` : key;
  if (isLaterKey(full)) return later(path, full, 'key');
  const meant = meantKey(where, key);
  const complaint = { severity: 'error' as const, path, at: 'key' as const };
  if (!meant) {
    const keys = keysOf(where);
    const remedy = keys.length > 0 ? `Keys here: ${keys.join(', ')}.` : undefined;
    return { ...complaint, code: 'unknown-key', message: `Unknown key ${key}`, remedy };
  }
  const parts = meant.key.split('.');
  const isSibling = parts.slice(0, -1).join('.') === where;
  const suggestion = isSibling && !meant.note ? parts.at(-1) : undefined;
  const note = meant.note ? ` ${meant.note}` : '';
  const remedy = {
    slip: `Did you mean ${parts.at(-1)}?`,
    foreign: `Here it is ${meant.key}.${note}`,
    elsewhere:
      parts.length > 1 ? `It belongs to the section ${parts.slice(0, -1).join('.')}.` : 'It belongs at the top.',
  }[meant.how];
  const code = meant.how === 'foreign' ? 'foreign-key' : 'unknown-key';
  return { ...complaint, code, message: `Unknown key ${key}`, remedy, suggestion };
}

function later(path: KeyPath, what: string, at: Complaint['at']): Complaint {
  const remedy = 'Remove it; this version does not know it yet.';
  return { severity: 'error', code: 'not-supported-yet', message: `${what} is not supported yet`, remedy, path, at };
}

function missing(path: KeyPath, expected: string, value: unknown): Complaint {
  const name = pathText(path) || 'The recipe';
  const what = typeNames[expected] ?? expected;
  const isEmpty = value === null;
  return {
    severity: 'error',
    code: 'missing-key',
    message: isEmpty ? `${name} is empty` : `${name} is missing`,
    remedy: isEmpty ? `Give it ${what}, or remove the key.` : `Add it: ${what}.`,
    path: isEmpty ? path : path.slice(0, -1),
    at: 'key',
  };
}

function badName(path: KeyPath): Complaint {
  const isRecipeName = path.length === 1 && path[0] === 'name';
  const longest = isRecipeName ? 40 : 32;
  const remedy = `Use small letters, digits and -${isRecipeName ? '' : ' or _'}; at most ${longest} characters, the first a letter or a digit.`;
  const message = `${pathText(path)} cannot be a name`;
  return { severity: 'error', code: 'bad-name', message, remedy, path, at: isRecipeName ? 'value' : 'key' };
}

/** The branch that came furthest tells; where none fits at all, all of them are named. */
function unionComplaints(branches: Issue[][], path: KeyPath, input: unknown, value: unknown): Complaint[] {
  const name = pathText(path);
  const isWrongAtRoot = (branch: Issue[]): boolean =>
    branch.some(issue => issue.path.length === 0 && issue.code === 'invalid_type');
  const close = branches.filter(branch => !isWrongAtRoot(branch));
  if (plainPath(path).endsWith('budget')) {
    const given = isRecord(value) ? Object.keys(value) : [];
    if (given.length !== 1 || close.length === 0 || !['nats', 'points'].includes(given[0]!)) {
      const remedy = 'Write { nats: 0.05 } for a rise of loss, or { points: 2 } for a drop of accuracy.';
      const message = `${name} must hold one of nats and points`;
      return [{ severity: 'error', code: 'bad-value', message, remedy, path, at: 'value' }];
    }
    const fitting = branches.find(branch => branch.every(issue => issue.path[0] === given[0])) ?? close[0]!;
    return fitting.flatMap(issue => complaintsOf(issue, path, input));
  }
  if (close.length > 0) return close[0]!.flatMap(issue => complaintsOf(issue, path, input));
  const expected = branches.flatMap(branch =>
    branch.flatMap(issue => (issue.code === 'invalid_type' ? [issue.expected] : [])),
  );
  const message = `${name} must be ${expected.map(type => typeNames[type] ?? type).join(' or ')}, not ${shown(value)}`;
  return [{ severity: 'error', code: 'wrong-type', message, path, at: 'value' }];
}

function lower({
  origin,
  minimum,
  inclusive,
}: {
  origin: string;
  minimum: number | bigint;
  inclusive?: boolean;
}): string {
  if (origin === 'string') return 'not be empty';
  if (origin === 'array' || origin === 'set')
    return `hold at least ${minimum === 1 ? 'one entry' : `${minimum} entries`}`;
  return inclusive ? `be at least ${minimum}` : `be above ${minimum}`;
}

function upper({
  origin,
  maximum,
  inclusive,
}: {
  origin: string;
  maximum: number | bigint;
  inclusive?: boolean;
}): string {
  if (origin === 'string') return `have at most ${maximum} characters`;
  if (origin === 'array' || origin === 'set') return `hold at most ${maximum} entries`;
  return inclusive ? `be at most ${maximum}` : `be below ${maximum}`;
}

/** Dotted path without list indices, as the tables of key names have it. */
function plainPath(path: KeyPath): string {
  return path.filter(part => typeof part === 'string').join('.');
}

function listed(values: string[]): string {
  return values.length > 1 ? `${values.slice(0, -1).join(', ')} or ${values.at(-1)}` : (values[0] ?? '');
}

export function valueAt(value: unknown, path: KeyPath): unknown {
  let at = value;
  for (const part of path) {
    if (Array.isArray(at)) at = at[Number(part)];
    else if (isRecord(at) && Object.hasOwn(at, part)) at = at[part];
    else return undefined;
  }
  return at;
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (isRecord(value)) return 'a section';
  if (typeof value === 'string')
    return value === '' ? 'an empty text' : `"${value.length > 40 ? `${value.slice(0, 40)}…` : value}"`;
  return String(value);
}
