/**
 * One run of the user's own program: started with what the callback needs in its environment, listened to, steered, and
 * its end told. A program without the callback is asked to leave by a signal.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { LineSplitter } from '../protocol/lineSplitter.ts';
import { type PreparedData, preparedFiles } from '../protocol/prepared.ts';
import type {
  FinishedEvent,
  PreparedEvent,
  ScoredEvent,
  StartCommand,
  StepEvent,
  TrainerEvent,
} from '../protocol/trainer.ts';
import { startProgram } from '../runs/launch.ts';
import { RunsError } from '../runs/runsError.ts';
import type { OwnProgram } from '../runs/trainerProgram.ts';
import { type Begin, type CallbackLine, decodeCallbackLine } from './callbackLines.ts';
import { Channel, type Order } from './channel.ts';
import { stepOfLine } from './printedNumbers.ts';

type Child = Awaited<ReturnType<typeof startProgram>>['child'];
type Say = (event: TrainerEvent | ScoredEvent) => void;

const lookEveryMs = 100;
const lastWordsMs = 1000;

export class OwnRun {
  readonly #start: StartCommand;
  readonly #program: OwnProgram;
  readonly #say: Say;
  readonly #startedAt = performance.now();
  readonly #prepared: PreparedData;
  readonly #channel: Channel;
  #child: Child | null = null;
  #step = 0;
  #tokens = 0;
  /** The callback has spoken: it obeys, and what is printed is no news. */
  #hasCallback = false;
  /** Steps that the callback announced and has not ended yet. */
  #announced = 0;
  #isStopping = false;
  #refused: RunsError | null = null;

  constructor(start: StartCommand, program: OwnProgram, say: Say) {
    if (!start.prepared) throw new RunsError('protocol', 'The start message names no prepared data');
    this.#start = start;
    this.#program = program;
    this.#say = say;
    this.#prepared = JSON.parse(readFileSync(join(start.prepared, preparedFiles.description), 'utf8')) as PreparedData;
    this.#channel = new Channel(start.prepared, {
      every: start.recipe.evaluate.every,
      items: start.recipe.evaluate.items,
      seed: start.recipe.train.seed,
      itemsFolder: start.outputs.items,
    });
  }

  async toTheEnd(): Promise<FinishedEvent> {
    const { words, folder } = this.#program;
    const { child } = await this.#launch(words, folder);
    this.#child = child;
    const ended = new Promise<[number | null, string | null]>(resolve => child.once('exit', (...end) => resolve(end)));
    this.#read(child.stdout!, true);
    this.#read(child.stderr!, false);
    const looking = setInterval(() => this.#look(), lookEveryMs);
    if (this.#isStopping) this.#end();
    const [code, signal] = await ended;
    await this.#lastWords(child);
    clearInterval(looking);
    this.#look();
    return this.#conclude(code, signal);
  }

  /** The callback ends the training after its step; a program without it, or asked again, gets a signal. */
  stop(): void {
    if (this.#isStopping) this.#child?.kill('SIGTERM');
    else this.#end();
    this.#isStopping = true;
  }

  steer(order: Exclude<Order, 'stop'>): void {
    this.#channel.give(order);
    if (!this.#hasCallback)
      process.stderr.write(`holdfast: no HoldfastCallback has begun: ${order} has no effect yet\n`);
  }

  #end(): void {
    this.#channel.give('stop');
    if (!this.#hasCallback) this.#child?.kill('SIGTERM');
  }

  async #launch(words: string[], folder: string): Promise<{ child: Child }> {
    const [path = '', ...args] = words;
    const callback = join(dirname(process.argv[1] ?? '.'), 'callback');
    const env = { HOLDFAST_PREPARED: this.#start.prepared!, PYTHONPATH: callback, PYTHONUNBUFFERED: '1' };
    try {
      const stdio = ['ignore', 'pipe', 'pipe'] as const;
      return await startProgram({ path, env, reason: '' }, args, true, { cwd: folder, stdio });
    } catch (cause) {
      throw new RunsError('command-missing', `${path} could not be started in ${folder}`, {
        file: folder,
        remedy: 'The first word of command is a program on PATH, or a path from the folder of the recipe.',
        cause,
      });
    }
  }

  /** Everything that is printed goes to the log. */
  #read(stream: Readable, mayHoldNumbers: boolean): void {
    const lines = new LineSplitter(1024 * 1024);
    stream.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk);
      // What was printed after the callback began is not for us, and it may have begun since the last look.
      this.#look();
      if (!mayHoldNumbers || this.#hasCallback) return;
      for (const line of lines.push(chunk)) {
        const step = 'text' in line ? stepOfLine(line.text, this.#step) : null;
        if (step) this.#stepped(step);
      }
    });
  }

  /** They are still in the pipes; what it has left behind and holds them open is not waited for. */
  async #lastWords({ stdout, stderr }: Child): Promise<void> {
    const closed = [stdout, stderr].map(stream => stream && !stream.readableEnded && once(stream, 'close'));
    await Promise.race([Promise.all(closed), new Promise(resolve => setTimeout(resolve, lastWordsMs).unref())]);
  }

  #look(): void {
    for (const text of this.#channel.news()) {
      const line = decodeCallbackLine(text);
      if (line) this.#heard(line);
      else process.stderr.write(`holdfast: a line that is none of the callback's: ${text.slice(0, 200)}\n`);
    }
  }

  #heard(line: CallbackLine): void {
    switch (line.type) {
      case 'begin':
        this.#hasCallback = true;
        this.#announced = line.steps;
        this.#say(this.#preparedEvent(line));
        for (const series of this.#prepared.series)
          if (/^(kl|forgetting|learning)\./.test(series.name)) this.#say(series);
        return;
      case 'refused':
        this.#refused = new RunsError(line.code, line.message, { remedy: line.remedy });
        return;
      case 'end':
        this.#step = Math.max(this.#step, line.step);
        this.#tokens = line.tokens;
        this.#announced = 0;
        return;
      case 'step':
        this.#stepped(line);
        return;
      default:
        this.#say(line);
    }
  }

  #stepped(step: StepEvent): void {
    this.#step = Math.max(this.#step, step.step);
    this.#say(step);
  }

  #preparedEvent({ type: _, trainedParameters, runtime, warnings, ...begin }: Begin): PreparedEvent {
    const { fingerprints, scoringKey, sets } = this.#prepared;
    const probes = sets.filter(({ kind }) => kind !== 'learning');
    return {
      type: 'prepared',
      ...begin,
      trainedParameters,
      trainedShare: begin.parameters > 0 ? trainedParameters / begin.parameters : 0,
      runtime: { ...runtime, reason: 'a program of your own' },
      fingerprints: { ...fingerprints, cacheKey: scoringKey },
      data: {
        trainRows: 0,
        replayRows: 0,
        droppedRows: 0,
        evalRows: Object.fromEntries(
          sets.filter(({ kind }) => kind === 'learning').map(({ name, lines }) => [name, lines.length]),
        ),
      },
      probes: Object.fromEntries(
        probes.map(({ name, kind, lines, replayed }) => {
          return [name, { kind: kind as Exclude<typeof kind, 'learning'>, items: lines.length, replayed }];
        }),
      ),
      warnings: [...this.#prepared.warnings, ...warnings],
    };
  }

  #conclude(code: number | null, signal: string | null): FinishedEvent {
    if (this.#refused) throw this.#refused;
    if (!this.#hasCallback) this.#say(this.#preparedEvent(unwatched(this.#step)));
    if (code !== 0 && !this.#isStopping) {
      const how = code === null ? `was ended by ${signal}` : `ended with exit code ${code}`;
      throw new RunsError('command-failed', `${this.#program.words.join(' ')} ${how}`, {
        remedy: 'What it printed stands in the log of the run.',
      });
    }
    if (this.#step < this.#announced && !this.#isStopping) {
      const where = `at step ${this.#step} of ${this.#announced}, before its training had ended`;
      throw new RunsError('command-left', `${this.#program.words.join(' ')} ended ${where}`, {
        remedy: 'Look into the log of the run. A loop of your own says that it ends with watch.end(model, step).',
      });
    }
    return {
      type: 'finished',
      reason: this.#isStopping ? 'stopped' : 'completed',
      step: this.#step,
      seconds: (performance.now() - this.#startedAt) / 1000,
      tokens: this.#tokens,
      peakMemoryBytes: 0,
    };
  }
}

/** What is known of a program in which no callback began. */
const unwatched = (steps: number): Begin => ({
  type: 'begin',
  parameters: 0,
  trainedParameters: 0,
  trained: 'unknown',
  steps,
  runtime: { name: 'unknown', provider: 'unknown' },
  environment: {},
  warnings: [
    'The program never began a training with HoldfastCallback, so nothing was measured: from holdfast import HoldfastCallback, and give it to the trainer.',
  ],
});
