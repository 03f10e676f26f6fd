/** What a subcommand is, and how its words on the command line become options. Knows none of them. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { RunsError } from '../runs/runsError.ts';
import type { Output } from './output.ts';

export type Values = Record<string, string | boolean | (string | boolean)[] | undefined>;

export interface Invocation {
  positionals: string[];
  values: Values;
  /** What stands behind `--`, for commands that start a program. */
  program?: string[];
  output: Output;
}

export interface Command {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** What follows `holdfast NAME`. */
  usage: string;
  /** Each option with its help. */
  options: Record<string, Option>;
  /** It takes a program with its arguments behind `--`. */
  takesProgram?: boolean;
  /** Resolves to the exit code. */
  run(invocation: Invocation): Promise<number>;
}

export interface Option {
  type: 'string' | 'boolean';
  short?: string;
  multiple?: boolean;
  /** Placeholder of the value. */
  value?: string;
  help: string;
}

export const jsonOption: Record<string, Option> = {
  json: { type: 'boolean', help: 'One JSON value on stdout, everything else on stderr.' },
};

export function parseCommand(command: Command, given: string[]): Omit<Invocation, 'output'> {
  const border = command.takesProgram ? given.indexOf('--') : -1;
  const words = border < 0 ? given : given.slice(0, border);
  const program = border < 0 ? undefined : given.slice(border + 1);
  if (program?.length === 0) throw wrongUse(command, 'Behind -- stands no program');
  const options: NonNullable<ParseArgsConfig['options']> = { help: { type: 'boolean', short: 'h' } };
  for (const [name, { type, short, multiple }] of Object.entries(command.options)) {
    options[name] = { type, ...(short && { short }), ...(multiple && { multiple }) };
  }
  try {
    const { values, positionals } = parseArgs({ args: words, options, allowPositionals: true, strict: true });
    return { values, positionals, ...(program && { program }) };
  } catch (error) {
    throw wrongUse(command, error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error));
  }
}

export function wrongUse(command: Command, message: string): RunsError {
  return new RunsError('wrong-use', message, { remedy: `Usage: holdfast ${command.name} ${command.usage}` });
}

/** The one word that a command needs. */
export function onlyPositional(command: Command, positionals: string[], what: string): string {
  const [first, ...more] = positionals;
  if (first === undefined) throw wrongUse(command, `${what} is missing`);
  if (more.length > 0) throw wrongUse(command, `One ${what} is enough; "${more[0]}" is too much`);
  return first;
}

export const text = (values: Values, name: string): string | undefined => {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
};

export const flag = (values: Values, name: string): boolean => values[name] === true;

export const list = (values: Values, name: string): string[] => {
  const value = values[name];
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : [];
};
