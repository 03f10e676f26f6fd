/**
 * Rows as conversations: turns with their speakers, calls of tools and the tools that may be called. Refuses what is none.
 * What a template may read beyond that is passed on as the row has it. Knows nothing of templates or tokens.
 */
import type { ChatMessage, ChatTools } from '../tokenizer/chatTemplate.ts';
import { badRow, type Row } from './records.ts';

export interface Conversation {
  messages: ChatMessage[];
  tools?: ChatTools;
}

/** How a row words its turns. */
interface Wording {
  key: string;
  speaker: string;
  content: string;
  roles: Record<string, string>;
}

const usual = { system: 'system', user: 'user', assistant: 'assistant', tool: 'tool' };
const messages: Wording = { key: 'messages', speaker: 'role', content: 'content', roles: named(usual) };
const shareGpt: Wording = {
  key: 'conversations',
  speaker: 'from',
  content: 'value',
  roles: named({ ...usual, human: 'user', gpt: 'assistant', model: 'assistant' }),
};

type Complain = (what: string, remedy?: string) => never;

export const parseMessages = (row: Row, file: string, line: number): Conversation =>
  parseConversation(row, messages, complaint(file, line));

export const parseShareGpt = (row: Row, file: string, line: number): Conversation =>
  parseConversation(row, shareGpt, complaint(file, line));

function complaint(file: string, line: number): Complain {
  return (what, remedy) => {
    throw badRow(file, line, what, remedy);
  };
}

function parseConversation(row: Row, wording: Wording, complain: Complain): Conversation {
  const { key, speaker, content } = wording;
  const value = row[key];
  if (!Array.isArray(value)) return complain(`"${key}" must be a list of {${speaker}, ${content}}`);
  const turns = value.map((turn: unknown, i) => parseTurn((turn ?? {}) as Row, i + 1, wording, complain));
  if (!turns.some(turn => turn.role === 'assistant')) {
    return complain('no turn of the assistant, so there is nothing to learn', 'Remove the row.');
  }
  const tools = parseTools(row.tools, complain);
  return { messages: turns, ...(tools && { tools }) };
}

function parseTurn(
  turn: Row,
  number: number,
  { key, speaker, content, roles }: Wording,
  complain: Complain,
): ChatMessage {
  const { [speaker]: who, [content]: said, tool_calls: calls, ...more } = turn;
  const isCalling = isList(calls) && calls.length > 0;
  const isSaid = typeof said === 'string' || (isCalling && (said === undefined || said === null));
  if (typeof who !== 'string' || !isSaid) {
    return complain(
      `turn ${number} of "${key}" needs "${speaker}" and "${content}" as texts`,
      'Only a turn with "tool_calls" may do without a text.',
    );
  }
  const role = roles[who];
  if (!role) return complain(`turn ${number}: unknown speaker "${who}"`, 'Use system, user, assistant or tool.');
  if (calls !== undefined && calls !== null) checkCalls(calls, role, number, complain);
  return {
    role,
    ...(said !== undefined && { content: said as string | null }),
    ...(isCalling && { tool_calls: calls }),
    // Columns that a row leaves empty are null in tables, and templates ask whether a key is there.
    ...Object.fromEntries(Object.entries(more).filter(([, value]) => value !== null)),
  };
}

/** `{function: {name, arguments}}` as transformers documents it, or its inner part alone, which templates take too. */
function checkCalls(calls: unknown, role: string, turn: number, complain: Complain): void {
  if (!isList(calls)) complain(`turn ${turn}: "tool_calls" must be a list`);
  if (calls.length > 0 && role !== 'assistant') {
    complain(`turn ${turn}: only the assistant calls tools`, 'Remove "tool_calls" from this turn.');
  }
  for (const [i, call] of calls.entries()) {
    const called = isObject(call) && 'function' in call ? call.function : call;
    const wanted = isObject(called) ? called.arguments : undefined;
    const isFine = isObject(called) && typeof called.name === 'string' && called.name !== '';
    if (isFine && (wanted === undefined || typeof wanted === 'string' || isObject(wanted))) continue;
    complain(
      `turn ${turn}: call ${i + 1} of "tool_calls" names no function, or its arguments are no object`,
      'Write {"type": "function", "function": {"name": "…", "arguments": {…}}}.',
    );
  }
}

/** A list of JSON schemas, or the same as JSON in a text, as tables have it. No tools and an empty list are one. */
function parseTools(value: unknown, complain: Complain): ChatTools | undefined {
  const tools = typeof value === 'string' ? parseJson(value, complain) : value;
  if (tools === undefined || tools === null) return undefined;
  if (isList(tools) && tools.every(isObject)) return tools.length === 0 ? undefined : tools;
  return complain(
    '"tools" must be a list of JSON schemas',
    'Write [{"type": "function", "function": {"name": "…", "parameters": {…}}}], or that list as JSON in a text.',
  );
}

function parseJson(text: string, complain: Complain): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    return complain(`"tools" is a text but not JSON (${(cause as Error).message})`);
  }
}

const isList = (value: unknown): value is unknown[] => Array.isArray(value);
const isObject = (value: unknown): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Without what every object has, such as `constructor`. */
function named(roles: Record<string, string>): Record<string, string> {
  return Object.assign(Object.create(null) as Record<string, string>, roles);
}
