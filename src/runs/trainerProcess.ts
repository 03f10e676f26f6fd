/**
 * A trainer as a process: its messages checked line by line, what it prints kept in a log, its end told in full.
 * Whoever starts one owns its end. Knows nothing of runs and journals.
 */
import { randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { evaluatedOf } from '../domain/scores.ts';
import { LineSplitter } from '../protocol/lineSplitter.ts';
import type { ErrorReport } from '../protocol/result.ts';
import { protocolVersion, type TrainerCommand, type TrainerEvent } from '../protocol/trainer.ts';
import { decodeTrainerMessage, encodeLine } from '../protocol/trainerLines.ts';
import { type Clock, Silence, systemClock } from './clock.ts';
import { startProgram } from './launch.ts';
import { killMarked, markerName } from './markedProcesses.ts';
import type { NodeChoice } from './nodePath.ts';
import { PrintLog } from './printLog.ts';
import { identityOf, type ProcessIdentity, signalProcess } from './processIdentity.ts';
import { redact } from './redact.ts';

export interface StartTrainer {
  node: NodeChoice;
  /** The program and its arguments. */
  program: string[];
  cwd: string;
  trusted: boolean;
  /** What it prints goes there; nowhere without it. */
  logFile?: string;
  onEvent: (event: TrainerEvent) => void;
  env?: Record<string, string>;
  limits?: Partial<TrainerLimits>;
  clock?: Clock;
}

export interface TrainerLimits {
  /** A trainer greets first, before it loads anything. */
  helloMs: number;
  /** Longest silence; trainers say `alive` at least every 5 s. */
  silenceMs: number;
  /** Each rung of the stop ladder. */
  graceMs: number;
  longestLine: number;
  badLines: number;
}

export const defaultLimits: TrainerLimits = {
  helloMs: 60_000,
  silenceMs: 600_000,
  graceMs: 10_000,
  longestLine: 8 * 1024 * 1024,
  badLines: 100,
};

export interface TrainerExit {
  code: number | null;
  signal: string | null;
  /** Last lines of stderr. */
  stderr: string[];
  /** Why we ended it, when it broke the protocol. */
  breach: ErrorReport | null;
  /** We ended it by a signal, after a stop or a breach. */
  killedByUs: boolean;
}

/** A long evaluation may be under way when a stop comes. */
const aliveCountsMs = 60_000;
/** Between two looks of the stop ladder at most; more was slept through. */
const longestRungLookMs = 1000;
const lastLines = 20;

export class TrainerProcess {
  readonly marker: string;
  readonly exited: Promise<TrainerExit>;
  identity: ProcessIdentity | null = null;
  readonly #limits: TrainerLimits;
  readonly #clock: Clock;
  /** Since its last word, counted over many looks a limit. */
  readonly #silence: Silence;
  /** Towards its end, after a stop. */
  readonly #standstill: Silence;
  #spokeAt: number;
  readonly #onEvent: (event: TrainerEvent) => void;
  readonly #stdin: Writable;
  readonly #log: PrintLog;
  readonly #out: LineSplitter;
  readonly #err = new LineSplitter(64 * 1024);
  #stderr: string[] = [];
  #greeted = false;
  #bad = 0;
  #breach: ErrorReport | null = null;
  #killedByUs = false;
  #askedAt = 0;
  #stepsSinceStop = 0;
  #stopping: 'no' | 'asked' | 'now' = 'no';
  #gone = false;

  static async start(options: StartTrainer): Promise<TrainerProcess> {
    const marker = randomUUID();
    const { child } = await startProgram(options.node, options.program, options.trusted, {
      cwd: options.cwd,
      env: { ...options.env, [markerName]: marker },
      stdio: 'pipe',
    });
    const ended = new Promise<[number | null, string | null]>(resolve =>
      child.once('exit', (code, signal) => resolve([code, signal])),
    );
    const trainer = new TrainerProcess(options, marker, child.stdin!, child.stdout!, child.stderr!, ended);
    trainer.identity = await identityOf(child.pid!);
    return trainer;
  }

  private constructor(
    options: StartTrainer,
    marker: string,
    stdin: Writable,
    stdout: Readable,
    stderr: Readable,
    ended: Promise<[number | null, string | null]>,
  ) {
    this.marker = marker;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#clock = options.clock ?? systemClock;
    this.#spokeAt = this.#clock.awake();
    this.#silence = new Silence(this.#clock, this.#lookMs);
    this.#standstill = new Silence(this.#clock, longestRungLookMs);
    this.#onEvent = options.onEvent;
    this.#stdin = stdin;
    this.#out = new LineSplitter(this.#limits.longestLine);
    this.#log = new PrintLog(options.logFile);
    // It may leave while we write: its exit tells the story.
    stdin.on('error', () => {});
    stdout.on('data', (chunk: Buffer) => this.#read(chunk));
    stderr.on('data', (chunk: Buffer) => this.#printed(chunk));
    this.exited = this.#watch(ended, [stdout, stderr]);
  }

  /** How long it has said nothing. */
  get silentMs(): number {
    return this.#clock.awake() - this.#spokeAt;
  }

  send(command: TrainerCommand): void {
    if (!this.#gone && !this.#stdin.writableEnded) this.#stdin.write(encodeLine(command));
  }

  /** No more commands: it saves and leaves. */
  endInput(): void {
    this.#stdin.end();
  }

  /** Asks, waits while it makes progress, terminates, then kills. A second call goes on to the next rung at once. */
  async stop(): Promise<TrainerExit> {
    if (this.#stopping !== 'no') this.#stopping = 'now';
    else void this.#descend();
    return this.exited;
  }

  async #descend(): Promise<void> {
    this.#stopping = 'asked';
    this.#askedAt = this.#clock.awake();
    this.#standstill.heard();
    this.#stepsSinceStop = 0;
    this.send({ type: 'stop' });
    // It may have been frozen.
    if (this.identity) await signalProcess(this.identity, 'SIGCONT');
    const { graceMs } = this.#limits;
    await this.#untilGone(() => this.#stopping === 'now' || this.#standstill.look() > graceMs);
    if (!this.#gone) await this.#kill();
  }

  async #kill(): Promise<void> {
    if (this.#gone) return;
    this.#killedByUs = true;
    if (this.identity) await signalProcess(this.identity, 'SIGTERM');
    const waiting = new Silence(this.#clock, longestRungLookMs);
    await this.#untilGone(() => waiting.look() > this.#limits.graceMs);
    await killMarked(this.marker, this.identity);
  }

  async #untilGone(enough: () => boolean): Promise<void> {
    while (!this.#gone && !enough()) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, 50);
        void this.exited.then(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #read(chunk: Uint8Array): void {
    for (const line of this.#out.push(chunk)) {
      if (this.#breach) return;
      if ('tooLong' in line) this.#fail('trainer-line-too-long', `The trainer sent a line of ${line.bytes} bytes`);
      else if (line.text.trim() !== '') this.#message(line.text);
    }
    if (this.#out.pending > this.#limits.longestLine && !this.#breach) {
      this.#fail('trainer-line-too-long', `The trainer sent a line of more than ${this.#limits.longestLine} bytes`);
    }
  }

  #message(text: string): void {
    const decoded = decodeTrainerMessage(text);
    if (!decoded.ok) {
      this.#notAMessage(text, decoded.problem);
      return;
    }
    const said = decoded.value;
    const event = said.type === 'scored' ? evaluatedOf(said) : said;
    if (!this.#greeted && !this.#greet(event)) return;
    this.#spokeAt = this.#clock.awake();
    this.#silence.heard();
    if (this.#isProgress(event)) this.#standstill.heard();
    this.#onEvent(event.type === 'failed' ? { ...event, message: redact(event.message) } : event);
  }

  /**
   * Towards its end, after a stop. The step under way may be long, but who goes on training is not on the way out, and
   * then its evaluations are no progress either.
   */
  #isProgress({ type }: TrainerEvent): boolean {
    if (type === 'step') this.#stepsSinceStop += 1;
    if (this.#stepsSinceStop > 2) return false;
    return (type !== 'alive' && type !== 'waiting') || this.#clock.awake() - this.#askedAt < aliveCountsMs;
  }

  #greet(event: TrainerEvent): boolean {
    if (event.type !== 'hello') {
      this.#fail('trainer-no-hello', `The trainer began with "${event.type}" instead of "hello"`);
    } else if (event.protocol !== protocolVersion) {
      const message = `The trainer speaks protocol ${event.protocol}, this runner speaks ${protocolVersion}`;
      this.#fail('trainer-protocol', message, 'Use runner and trainer of one version.');
    } else {
      this.#greeted = true;
    }
    return this.#greeted;
  }

  #notAMessage(text: string, problem: string): void {
    this.#log.write(`[not a message] ${text.slice(0, 1000)}\n`);
    this.#bad += 1;
    if (!this.#greeted) {
      this.#fail('trainer-no-hello', `The trainer's first line is no message: ${problem}`);
    } else if (this.#bad > this.#limits.badLines) {
      this.#fail('trainer-garbage', `The trainer sent ${this.#bad} lines that are no messages, the last: ${problem}`);
    }
  }

  #printed(chunk: Uint8Array): void {
    this.#log.write(chunk);
    for (const line of this.#err.push(chunk)) this.#keep('tooLong' in line ? '(a very long line)' : line.text);
  }

  #keep(line: string): void {
    this.#stderr.push(redact(line).slice(0, 2000));
    if (this.#stderr.length > lastLines) this.#stderr.shift();
  }

  get #lookMs(): number {
    return Math.min(this.#limits.helloMs, this.#limits.silenceMs) / 4;
  }

  #listen(): void {
    const silentMs = this.#silence.look();
    const limitMs = this.#greeted ? this.#limits.silenceMs : this.#limits.helloMs;
    if (silentMs < limitMs || this.#breach) return;
    const since = this.#greeted ? 'has said nothing' : 'said nothing';
    this.#fail('trainer-silent', `The trainer ${since} for ${seconds(limitMs)}`);
  }

  #fail(code: string, message: string, remedy = 'What it printed stands in trainer.log of the run folder.'): void {
    this.#breach ??= { code, message, remedy };
    void this.#kill();
  }

  async #watch(ended: Promise<[number | null, string | null]>, streams: Readable[]): Promise<TrainerExit> {
    const listening = setInterval(() => this.#listen(), this.#lookMs);
    const [code, signal] = await ended;
    clearInterval(listening);
    // Its last words are still in the pipes; a grandchild that keeps them open is not waited for.
    await Promise.race([Promise.all(streams.map(closed)), new Promise(resolve => setTimeout(resolve, 1000).unref())]);
    for (const stream of streams) stream.destroy();
    const rest = this.#err.end();
    if (rest && 'text' in rest) this.#keep(rest.text);
    this.#gone = true;
    // What it left behind: data loaders, ranks of a torchrun that was killed.
    await killMarked(this.marker, null);
    this.#log.close();
    return { code, signal, stderr: this.#stderr, breach: this.#breach, killedByUs: this.#killedByUs };
  }
}

function closed(stream: Readable): Promise<void> {
  if (stream.destroyed || stream.readableEnded) return Promise.resolve();
  return new Promise(resolve => {
    stream.once('end', resolve);
    stream.once('close', resolve);
    stream.once('error', () => resolve());
  });
}

const seconds = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${Math.round(ms / 1000)} s`);
