/**
 * One run from its request to its exit record: starts the trainer, stamps and writes every event, obeys the control
 * file, beats, and says how it ended. The only writer of the journal.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BrokenRule, brokenRuleWords, StopRules } from '../domain/stopRules.ts';
import type { ControlCommand } from '../protocol/control.ts';
import type { JournalEvent } from '../protocol/journal.ts';
import type { TrainerEvent } from '../protocol/trainer.ts';
import { ControlReader } from '../runs/control.ts';
import { describeEnding, outOfMemoryKills } from '../runs/exitReason.ts';
import { sharedCache } from '../runs/home.ts';
import { runnerMarkerName } from '../runs/markedProcesses.ts';
import { isAlive, ownIdentity } from '../runs/processIdentity.ts';
import {
  type RunExit,
  type RunFolder,
  type RunProcess,
  type RunRequest,
  type RunResume,
  runFormat,
} from '../runs/runFolder.ts';
import { errorReport, fromSystem } from '../runs/runsError.ts';
import { writeJsonSafely } from '../runs/safeFile.ts';
import { isCancelled } from '../runs/status.ts';
import { type TrainerExit, TrainerProcess } from '../runs/trainerProcess.ts';
import { embeddedProgram, type TrainerProgram, trainerProgram } from '../runs/trainerProgram.ts';
import { type Pulse, workOf } from './heartbeats.ts';
import { diskIsFull, patiently } from './patiently.ts';
import { recallRules } from './recallRules.ts';
import { repeat } from './repeat.ts';
import { sampleResources } from './resources.ts';
import { RunRecord } from './runRecord.ts';
import { SameRun } from './sameRun.ts';
import type { RunnerSettings } from './settings.ts';
import { TrainerStory } from './trainerStory.ts';

export async function superviseRun(
  run: RunFolder,
  request: RunRequest,
  resume: RunResume | null,
  settings: RunnerSettings,
  leave: AbortSignal,
): Promise<RunExit> {
  const supervisor = new Supervisor(run, request, resume, settings);
  return supervisor.supervise(leave);
}

class Supervisor {
  readonly #run: RunFolder;
  readonly #request: RunRequest;
  readonly #settings: RunnerSettings;
  readonly #attempt: number;
  readonly #resume: RunResume | null;
  /** The checkpoint it begins at. */
  readonly #beginning: string | null;
  readonly #startedAt = Date.now();
  readonly #control: ControlReader;
  readonly #killsBefore = outOfMemoryKills();
  readonly #record: RunRecord;
  readonly #story: TrainerStory;
  #trainer: TrainerProcess | null = null;
  #isStarted = false;
  #isPrepared = false;
  /** What the trainer had computed at the last heartbeat. */
  #work: string | null = null;
  #paused = false;
  /** Something that is needed before the start, or at the end, finds no room. */
  #isFull = false;
  #stopAsked = false;
  /** What an attempt that goes on is held to. */
  #same: SameRun | null = null;
  #rules = new StopRules();
  #broken: BrokenRule | null = null;

  constructor(run: RunFolder, request: RunRequest, resume: RunResume | null, settings: RunnerSettings) {
    this.#run = run;
    this.#request = request;
    this.#resume = resume;
    this.#attempt = resume?.attempt ?? 1;
    this.#beginning = resume?.checkpoint ?? request.parent?.checkpoint ?? null;
    this.#settings = settings;
    this.#control = new ControlReader(run);
    this.#record = new RunRecord(run, this.#attempt, () => this.#stop());
    this.#story = new TrainerStory(this.#beginning);
  }

  async supervise(leave: AbortSignal): Promise<RunExit> {
    const stop = () => this.#stop();
    leave.addEventListener('abort', stop);
    if (leave.aborted) stop();
    let exit = notStarted;
    try {
      const record = await this.#begin();
      exit = await this.#train(record);
    } catch (error) {
      if (!(error instanceof NotWanted)) this.#record.fail(errorReport(error));
      if (this.#trainer) exit = await this.#end(this.#trainer);
    } finally {
      leave.removeEventListener('abort', stop);
    }
    return this.#conclude(exit, leave);
  }

  /** Whatever needs room before the first step waits for it. */
  async #begin(): Promise<RunProcess> {
    const { processJson } = this.#run;
    const runner = { identity: await ownIdentity(), marker: process.env[runnerMarkerName] ?? randomUUID() };
    const { v, attempt, startedAt } = { v: runFormat, attempt: this.#attempt, startedAt: this.#startedAt };
    const record: RunProcess = { v, attempt, startedAt, runner, trainer: null };
    await this.#whenThereIsRoom(() => this.#record.open(this.#pulseNow()));
    await this.#whenThereIsRoom(() => writeJsonSafely(processJson, record));
    await this.#whenThereIsRoom(() => this.#makeFolders());
    this.#same = this.#resume && (await SameRun.recall(this.#run));
    this.#rules = await recallRules(this.#run, this.#request.recipe.stop_if, this.#story.step);
    return record;
  }

  /** A trainer that reads no data itself gets them from the embedded engine. */
  async #train(record: RunProcess): Promise<TrainerExit> {
    const { engine, node } = this.#request;
    const parts = { ...engine, engineFolder: engine.folder, node };
    const program = trainerProgram(parts);
    if (!program.needsPrepared) return this.#runJob({ job: 'train' }, program, record);
    const { prepared } = this.#run;
    try {
      const exit = await this.#runJob({ job: 'prepare', prepared }, embeddedProgram(parts), record);
      return this.#isPrepared ? await this.#runJob({ job: 'train', prepared }, program, record) : exit;
    } finally {
      await rm(prepared, { recursive: true, force: true });
    }
  }

  async #runJob(asked: Asked, program: TrainerProgram, record: RunProcess): Promise<TrainerExit> {
    this.#isStarted = false;
    const trainer = await this.#startTrainer(program, asked.job);
    this.#trainer = trainer;
    const { identity, marker } = trainer;
    const known: RunProcess = { ...record, trainer: identity && { identity, marker } };
    await this.#whenThereIsRoom(() => writeJsonSafely(this.#run.processJson, known));
    this.#start(trainer, asked);
    return this.#untilGone(trainer);
  }

  /** A stop that comes while it waits is not for the journal, which may not be there yet. */
  async #whenThereIsRoom(write: () => void | Promise<void>): Promise<void> {
    await patiently(write, this.#settings.pollMs, async () => {
      this.#isFull = true;
      this.#pulse();
      const isCalledOff = this.#stopAsked || (await isCancelled(this.#run, this.#attempt)) || (await this.#isForlorn());
      if (!isCalledOff) return;
      this.#stopAsked = true;
      throw new NotWanted();
    });
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#pulse();
  }

  #makeFolders(): void {
    const { folder, checkpoints, items, samples } = this.#run;
    try {
      for (const made of [checkpoints, items, samples, sharedCache()]) mkdirSync(made, { recursive: true });
    } catch (error) {
      throw fromSystem(error, folder, 'writing');
    }
  }

  #startTrainer({ tool, args }: TrainerProgram, job: Asked['job']): Promise<TrainerProcess> {
    const { reason: why } = this.#request.engine;
    const reason = why ? `${why}; ${tool.reason}` : tool.reason;
    this.#record.write({ type: 'launched', engine: args.join(' '), node: tool.path, reason });
    return TrainerProcess.start({
      node: tool,
      program: args,
      cwd: this.#run.folder,
      // The request carries this user's seal.
      trusted: true,
      logFile: this.#run.trainerLog,
      limits: this.#settings.limits,
      onEvent: event => (job === 'prepare' ? this.#heardPreparing(event) : this.#heard(event)),
    });
  }

  #start(trainer: TrainerProcess, asked: Asked): void {
    const { recipe, paths, threads } = this.#request;
    const { checkpoints, items, samples, model } = this.#run;
    const outputs = { checkpoints, items, samples, model, cache: sharedCache() };
    const name = this.#beginning;
    const fork = name !== null && name === this.#request.parent?.checkpoint;
    const resume = name === null ? undefined : { checkpoint: join(checkpoints, name), ...(fork && { fork }) };
    trainer.send({ type: 'start', ...asked, attempt: this.#attempt, recipe, paths, outputs, threads, resume });
    this.#isStarted = true;
    if (this.#paused || this.#record.isWaiting) trainer.send({ type: 'pause' });
    if (this.#stopAsked) void trainer.stop();
  }

  #heard(event: TrainerEvent): void {
    const otherRun = this.#same?.judge(event);
    if (otherRun) this.#record.fail(errorReport(otherRun));
    if (this.#story.begins(event)) this.#rewind();
    const { waitsFor } = this.#story;
    this.#story.heard(event);
    if (event.type !== 'alive') this.#write(event);
    if (waitsFor !== this.#story.waitsFor) this.#pulse();
    this.#acknowledge();
    this.#judge(event);
    if (this.#story.isOver) this.#trainer?.endInput();
  }

  /** Its greeting and its end are not those of the run, unless it came to none. */
  #heardPreparing(event: TrainerEvent): void {
    if (event.type === 'hello') return;
    this.#isPrepared = event.type === 'finished' && event.reason === 'completed';
    if (this.#isPrepared) this.#trainer?.endInput();
    else this.#heard(event);
  }

  #rewind(): void {
    if (this.#resume === null && this.#beginning === null) return;
    this.#write({ type: 'resumed', fromStep: this.#story.step, checkpoint: this.#beginning ?? 'start' });
  }

  /** Whatever came before the checkpoint is on the disk: the trainer may remove older ones. */
  #acknowledge(): void {
    const checkpoint = this.#record.isWhole ? this.#story.takeUnacknowledged() : null;
    if (checkpoint) this.#trainer?.send({ type: 'recorded', checkpoint });
  }

  /** A broken rule asks for a stop as a user would: what was trained is saved. */
  #judge(event: TrainerEvent): void {
    if (this.#stopAsked) return;
    this.#broken = this.#rules.judge(event);
    if (!this.#broken) return;
    this.#write({ type: 'stopRule', step: this.#broken.step, rule: this.#broken.rule });
    this.#stop();
  }

  /** When the disk is full the trainer stands still; what it still says waits in memory. */
  #write(event: JournalEvent): void {
    const { isWaiting } = this.#record;
    this.#record.write(event);
    if (isWaiting || !this.#record.isWaiting) return;
    if (this.#isStarted) this.#trainer?.send({ type: 'pause' });
    this.#pulse();
  }

  #goOnIfThereIsRoom(trainer: TrainerProcess): void {
    if (!this.#record.tryAgain()) return;
    if (!this.#paused) trainer.send({ type: 'resume' });
    this.#acknowledge();
    this.#pulse();
  }

  #stop(): void {
    this.#stopAsked = true;
    // A trainer takes no other message before its start: a stop that comes earlier is sent right behind it.
    if (this.#isStarted) void this.#trainer?.stop();
    // There is nowhere to save to.
    if (this.#isStarted && this.#record.isGone) void this.#trainer?.stop();
  }

  /** After a failure of ours. */
  #end(trainer: TrainerProcess): Promise<TrainerExit> {
    if (!this.#isStarted) trainer.endInput();
    return trainer.stop();
  }

  async #untilGone(trainer: TrainerProcess): Promise<TrainerExit> {
    const { heartbeatMs, pollMs } = this.#settings;
    const beat = repeat(heartbeatMs, () => this.#beat(trainer));
    const listen = repeat(pollMs, () => this.#obey(trainer));
    try {
      return await trainer.exited;
    } finally {
      await Promise.all([beat.end(), listen.end()]);
    }
  }

  async #beat(trainer: TrainerProcess): Promise<void> {
    this.#pulse();
    const metrics = await sampleResources(trainer.identity?.pid);
    if (Object.keys(metrics).length > 0) this.#write({ type: 'resources', metrics });
    if (this.#stopAsked || !(await this.#isForlorn())) return;
    this.#write({ type: 'handled', command: 'stop', id: 'owner', note: 'the terminal that owned this run is gone' });
    this.#stop();
  }

  async #isForlorn(): Promise<boolean> {
    const { owner } = this.#resume ?? this.#request;
    return owner !== undefined && (await isAlive(owner)) === 'gone';
  }

  #pulse(): void {
    this.#record.pulse(this.#pulseNow());
  }

  #pulseNow(): Pulse {
    const work = workOf(this.#trainer?.identity?.pid);
    const idle = work !== null && work === this.#work;
    this.#work = work;
    const waitsFor = this.#isFull || this.#record.isWaiting ? diskIsFull : this.#story.waitsFor;
    const paused = this.#paused || waitsFor !== undefined;
    const silentMs = this.#trainer?.silentMs ?? 0;
    return { step: this.#story.step, paused, silentMs, idle, ...(waitsFor && { waitsFor }) };
  }

  async #obey(trainer: TrainerProcess): Promise<void> {
    this.#record.checkPlace();
    this.#goOnIfThereIsRoom(trainer);
    for (const command of await this.#control.next()) {
      if (command.attempt !== this.#attempt) continue;
      const note = this.#carryOut(command, trainer);
      this.#write({ type: 'handled', command: command.type, id: command.id, ...(note && { note }) });
    }
  }

  #carryOut(command: ControlCommand, trainer: TrainerProcess): string | undefined {
    switch (command.type) {
      case 'stop': {
        const again = this.#stopAsked;
        this.#stop();
        return again ? 'at once' : undefined;
      }
      case 'checkpoint':
        trainer.send({ type: 'checkpoint' });
        return;
      case 'pause':
      case 'resume':
        this.#paused = command.type === 'pause';
        if (!this.#record.isWaiting) trainer.send({ type: command.type });
        this.#pulse();
        return;
      case 'note':
        return command.text;
      default:
        command.type satisfies never;
    }
  }

  async #conclude(exit: TrainerExit, leave: AbortSignal): Promise<RunExit> {
    const { step, savedStep, finished, failed } = this.#story;
    const ending = describeEnding({
      exit,
      finished,
      failed,
      stopAsked: this.#stopAsked,
      step,
      savedStep,
      fatal: this.#record.failure,
      outOfMemoryKills: outOfMemoryKills() - this.#killsBefore,
    });
    const rule = ending.outcome === 'stopped' ? this.#broken : null;
    if (rule) ending.reason = `${brokenRuleWords(rule)}; ${ending.reason}`;
    const { code, signal, stderr } = exit;
    const lost = this.#record.endJournal({ type: 'exited', code, signal, reason: ending.reason, stderr });
    if (lost > 0) ending.reason += `; ${lost} records found no room on the disk`;
    const record: RunExit = {
      v: runFormat,
      attempt: this.#attempt,
      ...ending,
      ...(rule && { stopRule: rule.rule }),
      code,
      signal,
      lastStep: step,
      stderr,
      t: Date.now(),
    };
    await patiently(
      () => this.#record.end(record),
      this.#settings.pollMs,
      () => {
        this.#isFull = true;
        this.#pulse();
        leave.throwIfAborted();
      },
    );
    return record;
  }
}

/** `prepared`: where the data lie that a trainer does not read itself. */
interface Asked {
  job: 'prepare' | 'train';
  prepared?: string;
}

/** Called off before its trainer had begun. */
class NotWanted extends Error {}

const notStarted: TrainerExit = { code: null, signal: null, stderr: [], breach: null, killedByUs: true };
