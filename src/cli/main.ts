/** The `holdfast` command: finds the subcommand, turns its outcome into an exit code. */
import { exitCodeOf, exitCodes } from '../protocol/exitCode.ts';
import { engineVersion } from '../runs/engineFolder.ts';
import { errorReport, RunsError } from '../runs/runsError.ts';
import { flag, parseCommand } from './command.ts';
import { commands } from './commands.ts';
import { helpFor, overview } from './help.ts';
import { ownEngineFolder } from './machine.ts';
import { Output } from './output.ts';

async function main(words: string[]): Promise<number> {
  const [name, ...rest] = words;
  const border = words.indexOf('--');
  const output = new Output((border < 0 ? words : words.slice(0, border)).includes('--json'));
  try {
    if (name === undefined || name === 'help' || name === '--help' || name === '-h')
      return help(
        rest.find(word => !word.startsWith('-')),
        output,
        name !== undefined,
      );
    if (name === '--version' || name === '-v') return version(output);
    const command = commandNamed(name);
    const invocation = parseCommand(command, rest);
    if (flag(invocation.values, 'help')) return help(command.name, output, true);
    return await command.run({ ...invocation, output });
  } catch (error) {
    const report = errorReport(error);
    output.error(report);
    if (report.code === 'internal' && error instanceof Error) output.note(error.stack ?? '');
    return exitCodeOf(report.code);
  }
}

function commandNamed(name: string) {
  const command = commands.find(known => known.name === name);
  if (command) return command;
  const remedy = `There are: ${commands.map(known => known.name).join(', ')}. See holdfast help.`;
  throw new RunsError('wrong-use', `There is no command "${name}"`, { remedy });
}

function help(name: string | undefined, output: Output, asked: boolean): number {
  const text = name === undefined ? overview(commands) : helpFor(commandNamed(name));
  if (asked) output.line(text);
  else output.note(text);
  output.answer({ help: text });
  return asked ? exitCodes.done : exitCodes.wrongUse;
}

function version(output: Output): number {
  const found = engineVersion(ownEngineFolder());
  output.line(`holdfast ${found}`);
  output.answer({ version: found });
  return exitCodes.done;
}

// A reader that went away (`holdfast logs | head`) is no failure.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0);
  throw error;
});

void main(process.argv.slice(2)).then(code => {
  process.exitCode = code;
});
