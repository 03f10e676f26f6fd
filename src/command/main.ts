/**
 * A trainer that trains nothing itself: it starts the user's own program and speaks the protocol for it. What the program
 * says through HoldfastCallback comes in a file, so that it may print what it likes; what it prints goes to stderr.
 * usage: node command.cjs FOLDER PROGRAM [ARGUMENT …]
 */
import { Console } from 'node:console';
import { createInterface } from 'node:readline';
import type { FailedEvent, StartCommand, TrainerEvent } from '../protocol/trainer.ts';
import { protocolVersion, type ScoredEvent } from '../protocol/trainer.ts';
import { decodeTrainerCommand, encodeLine } from '../protocol/trainerLines.ts';
import { errorReport, RunsError } from '../runs/runsError.ts';
import { OwnRun } from './ownRun.ts';

const aliveEveryMs = 2000;

async function main(folder: string, words: string[]): Promise<void> {
  globalThis.console = new Console(process.stderr, process.stderr);
  let run: OwnRun | null = null;
  let isLeaving = false;
  const stop = (): void => {
    isLeaving = true;
    run?.stop();
  };
  // A reader that is gone must not leave the program behind.
  process.stdout.on('error', stop);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
  say({ type: 'hello', protocol: protocolVersion, engine: 'command', numerics: 'command-1' });

  const lines = createInterface({ input: process.stdin });
  lines.once('close', () => {
    if (run) stop();
    else process.exit(0);
  });
  for await (const line of lines) {
    if (line.trim() === '') continue;
    const decoded = decodeTrainerCommand(line);
    if (!decoded.ok) {
      if (!run) return fail(new RunsError('protocol', `The first message must be start: ${decoded.problem}`));
      process.stderr.write(`Ignored a line on stdin: ${decoded.problem}\n`);
      continue;
    }
    const command = decoded.value;
    if (command.type === 'start' && !run) {
      run = new OwnRun(command, { folder, words }, say);
      if (isLeaving) run.stop();
      void toTheEnd(run, command);
    } else if (!run) return fail(new RunsError('protocol', `The first message must be start, not ${command.type}`));
    else if (command.type === 'stop') stop();
    else if (command.type !== 'start' && command.type !== 'recorded') run.steer(command.type);
  }
}

async function toTheEnd(run: OwnRun, { job }: StartCommand): Promise<void> {
  const alive = setInterval(() => say({ type: 'alive' }), aliveEveryMs);
  try {
    if (job !== 'train') throw new RunsError('not-supported', `A program of your own does not answer the job ${job}`);
    say(await run.toTheEnd());
    leave(0);
  } catch (error) {
    fail(error);
  } finally {
    clearInterval(alive);
  }
}

function say(event: TrainerEvent | ScoredEvent): void {
  process.stdout.write(encodeLine(event));
}

function fail(error: unknown): void {
  const { code, message, file, line, remedy } = errorReport(error);
  const failed: FailedEvent = { type: 'failed', code, message, file, line, remedy };
  say(failed);
  leave(1);
}

/** After everything written has left. */
function leave(code: number): void {
  process.stdout.write('', () => process.exit(code));
}

const [folder = '.', ...words] = process.argv.slice(2);
void main(folder, words);
