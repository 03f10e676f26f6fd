/** Help for people: the list of commands, or one command with its options. */
import type { Command } from './command.ts';

export function overview(commands: Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    'Fine-tune language models without losing what they already know.',
    '',
    'usage: holdfast COMMAND …',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    '  holdfast help COMMAND    options of a command',
    '  holdfast --version',
    '',
    'Exit codes: 0 done, 1 the run failed, 2 wrong use, recipe or data, 3 the environment, 130 stopped.',
  ].join('\n');
}

export function helpFor({ name, summary, usage, options }: Command): string {
  const rows = Object.entries(options).map(([option, { value, short, help }]) => {
    const names = `${short ? `-${short}, ` : ''}--${option}${value ? ` ${value}` : ''}`;
    return [names, help] as const;
  });
  const width = Math.max(...rows.map(([names]) => names.length));
  return [
    summary,
    '',
    `usage: holdfast ${name} ${usage}`,
    '',
    ...rows.map(([names, help]) => `  ${names.padEnd(width)}  ${help}`),
  ].join('\n');
}
