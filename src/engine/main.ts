/**
 * The trainer program's edge: NDJSON over stdio. Says hello, takes one start message, runs its job, obeys commands; end
 * of stdin means save and leave. stdout carries messages only: whatever else is printed goes to stderr.
 */
import { Console } from 'node:console';
import { PlacedError } from '../domain/placedError.ts';
import { LineSplitter } from '../protocol/lineSplitter.ts';
import {
  type FailedEvent,
  type FinishedEvent,
  protocolVersion,
  type StartCommand,
  type TrainerCommand,
  type TrainerEvent,
} from '../protocol/trainer.ts';
import { decodeTrainerCommand, encodeLine } from '../protocol/trainerLines.ts';
import { check } from './checkJob.ts';
import { EngineError } from './engineError.ts';
import { peakMemoryBytes } from './environment.ts';
import { evaluate, generate } from './evaluateJob.ts';
import { engineName, numericsVersion } from './numerics.ts';
import { prepare } from './prepareJob.ts';
import { RunControl } from './runControl.ts';
import { checkResume } from './runIdentity.ts';
import { type Observer, train } from './trainer.ts';

/** The reader counts a trainer as hung when it hears nothing for long; this is well below. */
const aliveEveryMs = 4000;
const progressEveryMs = 200;

async function main(): Promise<void> {
  globalThis.console = new Console(process.stderr, process.stderr);
  const control = new RunControl();
  // A reader that is gone must not kill a run in the middle of a step: it is saved and left.
  process.stdout.on('error', () => control.stop());
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => control.stop());

  const say = speaker();
  say({ type: 'hello', protocol: protocolVersion, engine: engineName, numerics: numericsVersion });
  const start = await readStart(control, say);
  if (start === null) return leave(0);
  if (start instanceof EngineError) {
    say(failure(start));
    return leave(1);
  }
  try {
    say(await runJob(start, say, control));
    return leave(0);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    say(failure(error));
    return leave(1);
  }
}

function runJob(start: StartCommand, observer: Observer, control: RunControl): Promise<TrainerEvent> {
  switch (start.job) {
    case 'train':
      return train(start, observer, control);
    case 'prepare':
      return orStopped(prepare(start, observer, control), control);
    case 'check':
      return orStopped(start.resume ? checkResumeJob(start) : check(start, observer), control);
    case 'evaluate':
      return orStopped(evaluate(start, observer), control);
    case 'generate':
      return orStopped(generate(start, observer), control);
    case 'merge':
      throw new EngineError('not-supported', 'The job merge is not supported yet', {
        remedy: 'Train with adapter.output: merged.',
      });
    default:
      throw new EngineError('protocol', `Unknown job ${start.job satisfies never}`);
  }
}

async function checkResumeJob(start: StartCommand): Promise<TrainerEvent> {
  await checkResume(start);
  return nothing('completed');
}

const nothing = (reason: FinishedEvent['reason']): FinishedEvent => ({
  type: 'finished',
  reason,
  step: 0,
  seconds: 0,
  tokens: 0,
  peakMemoryBytes: peakMemoryBytes(),
});

/** Jobs that keep nothing may be left at any point. */
function orStopped(job: Promise<TrainerEvent>, control: RunControl): Promise<TrainerEvent> {
  const stopped = control.stopped.then(() => nothing('stopped'));
  return Promise.race([job, stopped]);
}

/** Resolves with the start message, null when stdin ends before it, or what was wrong with it. Later lines steer. */
function readStart(control: RunControl, say: Observer): Promise<StartCommand | EngineError | null> {
  const lines = new LineSplitter();
  let isStarted = false;
  return new Promise(resolve => {
    const obey = (text: string): void => {
      if (text.trim() === '') return;
      const decoded = decodeTrainerCommand(text);
      if (!isStarted) {
        isStarted = true;
        if (!decoded.ok) resolve(new EngineError('protocol', `The first message must be start: ${decoded.problem}`));
        else if (decoded.value.type === 'start') resolve(decoded.value);
        else resolve(new EngineError('protocol', `The first message must be start, not ${decoded.value.type}`));
        return;
      }
      if (!decoded.ok) process.stderr.write(`Ignored a line on stdin: ${decoded.problem}\n`);
      else steer(decoded.value, control);
    };
    const take = (line: ReturnType<LineSplitter['end']>): void => {
      if (line && 'text' in line) obey(line.text);
      else if (line) process.stderr.write(`Ignored a line of ${line.bytes} bytes on stdin\n`);
    };
    process.stdin.on('data', chunk => lines.push(chunk).forEach(take));
    process.stdin.on('error', () => control.stop());
    process.stdin.on('end', () => {
      take(lines.end());
      control.stop();
      resolve(null);
    });
    setInterval(() => say({ type: 'alive' }), aliveEveryMs / 4).unref();
  });
}

function steer(command: TrainerCommand, control: RunControl): void {
  if (command.type === 'start') process.stderr.write('Ignored a second start message\n');
  else if (command.type === 'recorded') control.recorded(command.checkpoint);
  else control[command.type]();
}

/** Writes events; `alive` only after a silence, progress not more often than eyes can follow. */
function speaker(): Observer {
  let spokeAt = performance.now();
  let phase = '';
  let progressAt = Number.NEGATIVE_INFINITY;
  return event => {
    const now = performance.now();
    if (event.type === 'alive' && now - spokeAt < aliveEveryMs) return;
    if (event.type === 'progress') {
      if (event.phase === phase && event.fraction < 1 && now - progressAt < progressEveryMs) return;
      phase = event.phase;
      progressAt = now;
    }
    spokeAt = now;
    process.stdout.write(encodeLine(event));
  };
}

function failure(error: unknown): FailedEvent {
  if (error instanceof PlacedError) {
    const { code, message, file, line, remedy } = error;
    return { type: 'failed', code, message, file, line, remedy };
  }
  const message = error instanceof Error ? error.message : String(error);
  const isMemory = /bad_alloc|out of memory|allocation failed|Invalid (typed )?array length/i.test(message);
  if (!isMemory) return { type: 'failed', code: 'unexpected', message, remedy: 'The log has the whole story.' };
  const remedy = 'Lower train.micro_batch_size or train.max_length, or tune fewer tensors.';
  return { type: 'failed', code: 'out-of-memory', message, remedy };
}

/** After everything written has left. */
function leave(code: number): void {
  process.stdout.write('', () => process.exit(code));
}

void main();
