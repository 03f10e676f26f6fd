/**
 * One run from its request to its exit record: starts the trainer, stamps and writes every event, obeys the control
 * file, beats, and says how it ended. The only writer of the journal.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BrokenRule, brokenRuleWords, StopRules } from '../domain/stopRules.ts';
import type { ControlCommand } from '../protocol/control.ts';
import type { JournalEvent } from '../protocol/journal.ts';
import type { ErrorReport } from '../protocol/result.ts';
import type { FailedEvent, TrainerEvent } from '../protocol/trainer.ts';
import { systemClock } from '../runs/clock.ts';
import { ControlReader } from '../runs/control.ts';
import { describeEnding, outOfMemoryKills } from '../runs/exitReason.ts';
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
import { sharedCache } from '../runs/trainerJob.ts';
import { type TrainerExit, TrainerProcess } from '../runs/trainerProcess.ts';
import { Heartbeats, workOf } from './heartbeats.ts';
import { PatientJournal, removeRemains } from './patientJournal.ts';
import { recallRules } from './recallRules.ts';
import { repeat } from './repeat.ts';
import { sampleResources } from './resources.ts';
import type { RunnerSettings } from './settings.ts';

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
  readonly #heartbeats: Heartbeats;
  /** What the trainer had computed at the last heartbeat. */
  #work: string | null = null;
  #journal: PatientJournal | null = null;
  #trainer: TrainerProcess | null = null;
  #step: number;
  /** The journal says where this attempt takes up. */
  #hasRewound: boolean;
  #paused = false;
  /** The journal, and the trainer, go no further although nobody paused them: why. */
  #journalWaits: string | undefined;
  #trainerWaits: string | undefined;
  /** Of the last checkpoint. */
  #savedStep: number;
  #isGone = false;
  /** The newest checkpoint of which the trainer does not know that the journal tells of it. */
  #unacknowledged: string | null = null;
  #finished: 'completed' | 'stopped' | null = null;
  #failed: FailedEvent | null = null;
  #fatal: ErrorReport | null = null;
  #stopAsked = false;
  #rules = new StopRules();
  #broken: BrokenRule | null = null;
  #isStarted = false;

  constructor(run: RunFolder, request: RunRequest, resume: RunResume | null, settings: RunnerSettings) {
    this.#run = run;
    this.#request = request;
    this.#resume = resume;
    this.#attempt = resume?.attempt ?? 1;
    this.#beginning = resume?.checkpoint ?? request.parent?.checkpoint ?? null;
    this.#step = stepOf(this.#beginning);
    this.#savedStep = this.#step;
    this.#hasRewound = resume === null && this.#beginning === null;
    this.#settings = settings;
    this.#control = new ControlReader(run);
    this.#heartbeats = new Heartbeats(run, this.#attempt, systemClock);
  }

  async supervise(leave: AbortSignal): Promise<RunExit> {
    const runner = { identity: await ownIdentity(), marker: process.env[runnerMarkerName] ?? randomUUID() };
    const record: RunProcess = {
      v: runFormat,
      attempt: this.#attempt,
      startedAt: this.#startedAt,
      runner,
      trainer: null,
    };
    await writeJsonSafely(this.#run.processJson, record);
    const stop = () => this.#stop();
    leave.addEventListener('abort', stop);
    if (leave.aborted) stop();
    let exit = notStarted;
    try {
      this.#journal = await PatientJournal.open(this.#run, this.#attempt);
      this.#makeFolders();
      this.#rules = await recallRules(this.#run, this.#request.recipe.stop_if, this.#step);
      this.#trainer = await this.#startTrainer();
      const { identity, marker } = this.#trainer;
      if (identity) await writeJsonSafely(this.#run.processJson, { ...record, trainer: { identity, marker } });
      this.#start(this.#trainer);
      exit = await this.#untilGone(this.#trainer);
    } catch (error) {
      this.#fatal ??= errorReport(error);
      if (this.#trainer) exit = await this.#trainer.stop();
    } finally {
      leave.removeEventListener('abort', stop);
    }
    return this.#conclude(exit);
  }

  #makeFolders(): void {
    const { folder, checkpoints, items, samples } = this.#run;
    try {
      for (const made of [checkpoints, items, samples, sharedCache()]) mkdirSync(made, { recursive: true });
    } catch (error) {
      throw fromSystem(error, folder, 'writing');
    }
  }

  #startTrainer(): Promise<TrainerProcess> {
    const { engine, node } = this.#request;
    const program = engine.trainer ?? [join(engine.folder, 'trainer.cjs')];
    this.#write({ type: 'launched', engine: program.join(' '), node: node.path, reason: node.reason });
    return TrainerProcess.start({
      node,
      program,
      cwd: this.#run.folder,
      // The request carries this user's seal.
      trusted: true,
      logFile: this.#run.trainerLog,
      limits: this.#settings.limits,
      onEvent: event => this.#heard(event),
    });
  }

  #start(trainer: TrainerProcess): void {
    const { recipe, paths, threads } = this.#request;
    const { checkpoints, items, samples, model } = this.#run;
    const outputs = { checkpoints, items, samples, model, cache: sharedCache() };
    const name = this.#beginning;
    const fork = name !== null && name === this.#request.parent?.checkpoint;
    const resume = name === null ? undefined : { checkpoint: join(checkpoints, name), ...(fork && { fork }) };
    trainer.send({ type: 'start', job: 'train', attempt: this.#attempt, recipe, paths, outputs, threads, resume });
    this.#isStarted = true;
    if (this.#stopAsked) void trainer.stop();
  }

  #heard(event: TrainerEvent): void {
    if (!this.#hasRewound && comesOfTraining.has(event.type)) this.#rewind();
    if (event.type === 'step') this.#step = event.step;
    if (event.type === 'checkpointed') this.#savedStep = event.step;
    this.#noteWaiting(event);
    if (event.type === 'finished') this.#finished = event.reason;
    if (event.type === 'failed') this.#failed = event;
    if (event.type !== 'alive') this.#write(event);
    if (event.type === 'checkpointed') this.#unacknowledged = event.folder;
    this.#acknowledge();
    this.#judge(event);
    // Its work is done: nothing more will be asked of it.
    if (event.type === 'finished' || event.type === 'failed') this.#trainer?.endInput();
  }

  /** Only once the checkpoint is loaded: an attempt that is refused hides nothing of those before. */
  #rewind(): void {
    this.#hasRewound = true;
    this.#write({ type: 'resumed', fromStep: this.#step, checkpoint: this.#beginning ?? 'start' });
  }

  /** Whatever came before the checkpoint is on the disk: the trainer may remove older ones. */
  #acknowledge(): void {
    if (!this.#unacknowledged || this.#fatal || this.#journal?.isWaiting !== false) return;
    this.#trainer?.send({ type: 'recorded', checkpoint: this.#unacknowledged });
    this.#unacknowledged = null;
  }

  /** A broken rule asks for a stop as a user would: what was trained is saved. */
  #judge(event: TrainerEvent): void {
    if (this.#stopAsked) return;
    this.#broken = this.#rules.judge(event);
    if (!this.#broken) return;
    this.#write({ type: 'stopRule', step: this.#broken.step, rule: this.#broken.rule });
    this.#stop();
  }

  /** A journal that cannot be written ends the run: metrics that nobody can read are worth nothing. */
  #write(event: JournalEvent): void {
    if (this.#fatal) return;
    try {
      this.#journal?.append(event);
      if (this.#journal?.isWaiting && !this.#journalWaits) this.#waitForRoom();
    } catch (error) {
      this.#fatal = errorReport(error);
      this.#stop();
    }
  }

  #noteWaiting(event: TrainerEvent): void {
    if (event.type === 'alive') return;
    const before = this.#trainerWaits;
    const isFull = event.type === 'waiting' && event.code === 'disk-full';
    this.#trainerWaits = isFull ? diskIsFull : event.type === 'waiting' ? event.message : undefined;
    if (this.#trainer && before !== this.#trainerWaits) this.#pulse(this.#trainer);
  }

  /** The trainer stands still; what it still says waits in memory. */
  #waitForRoom(): void {
    this.#journalWaits = diskIsFull;
    if (!this.#trainer) return;
    this.#trainer.send({ type: 'pause' });
    this.#pulse(this.#trainer);
  }

  #goOnIfThereIsRoom(trainer: TrainerProcess): void {
    if (!this.#journalWaits || !this.#journal?.tryAgain()) return;
    this.#journalWaits = undefined;
    this.#write({ type: 'handled', command: 'resume', id: 'disk', note: 'the disk was full, and there is room again' });
    if (!this.#paused) trainer.send({ type: 'resume' });
    this.#acknowledge();
    this.#pulse(trainer);
  }

  /** Somebody deleted or moved the folder: what trains on would be seen by nobody. */
  #checkPlace(trainer: TrainerProcess): void {
    if (this.#isGone || this.#journal?.isInPlace !== false) return;
    this.#isGone = true;
    this.#fatal = {
      code: 'run-folder-gone',
      message: 'The folder of the run was deleted or moved while it ran',
      file: this.#run.folder,
    };
    // Twice: there is nowhere to save to.
    void trainer.stop();
    void trainer.stop();
  }

  #stop(): void {
    this.#stopAsked = true;
    // A trainer takes no other message before its start: a stop that comes earlier is sent right behind it.
    if (this.#isStarted) void this.#trainer?.stop();
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
    this.#pulse(trainer);
    const metrics = await sampleResources(trainer.identity?.pid);
    if (Object.keys(metrics).length > 0) this.#write({ type: 'resources', metrics });
    const { owner } = this.#resume ?? this.#request;
    if (!owner || this.#stopAsked || (await isAlive(owner)) !== 'gone') return;
    this.#write({ type: 'handled', command: 'stop', id: 'owner', note: 'the terminal that owned this run is gone' });
    this.#stop();
  }

  #pulse(trainer: TrainerProcess): void {
    this.#checkPlace(trainer);
    if (this.#isGone) return;
    const work = workOf(trainer.identity?.pid);
    const idle = work !== null && work === this.#work;
    this.#work = work;
    try {
      const waitsFor = this.#journalWaits ?? this.#trainerWaits;
      const paused = this.#paused || waitsFor !== undefined;
      const pulse = { step: this.#step, paused, silentMs: trainer.silentMs, idle };
      this.#heartbeats.write({ ...pulse, ...(waitsFor && { waitsFor }) });
    } catch (error) {
      this.#fatal ??= errorReport(error);
      this.#stop();
    }
  }

  async #obey(trainer: TrainerProcess): Promise<void> {
    this.#checkPlace(trainer);
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
        if (!this.#journalWaits) trainer.send({ type: command.type });
        this.#pulse(trainer);
        return;
      case 'note':
        return command.text;
      default:
        command.type satisfies never;
    }
  }

  async #conclude(exit: TrainerExit): Promise<RunExit> {
    const ending = describeEnding({
      exit,
      finished: this.#finished,
      failed: this.#failed,
      stopAsked: this.#stopAsked,
      step: this.#step,
      savedStep: this.#savedStep,
      fatal: this.#fatal,
      outOfMemoryKills: outOfMemoryKills() - this.#killsBefore,
    });
    const rule = ending.outcome === 'stopped' ? this.#broken : null;
    if (rule) ending.reason = `${brokenRuleWords(rule)}; ${ending.reason}`;
    const { code, signal, stderr } = exit;
    const lost = this.#writeLast({ type: 'exited', code, signal, reason: ending.reason, stderr });
    if (lost > 0) ending.reason += `; ${lost} records found no room on the disk`;
    const record: RunExit = {
      v: runFormat,
      attempt: this.#attempt,
      ...ending,
      ...(rule && { stopRule: rule.rule }),
      code,
      signal,
      lastStep: this.#step,
      stderr,
      t: Date.now(),
    };
    if (this.#isGone) removeRemains(this.#run);
    if (this.#isGone && !existsSync(this.#run.folder)) return record;
    await writeJsonSafely(this.#run.exitJson, record);
    this.#heartbeats.end();
    return record;
  }

  /** Tried even after a failed write: room for it was held back. How many before it found none. */
  #writeLast(event: JournalEvent): number {
    try {
      return this.#journal?.end(event) ?? 0;
    } catch (error) {
      this.#fatal ??= errorReport(error);
      return 0;
    }
  }
}

const diskIsFull = 'the disk is full: it goes on once there is room';

const comesOfTraining: ReadonlySet<TrainerEvent['type']> = new Set(['series', 'checked', 'evaluated', 'step']);

/** "a1-step-40" → 40; 0 from the start. */
const stepOf = (checkpoint: string | null): number => Number(checkpoint?.split('-').at(-1) ?? 0);

const notStarted: TrainerExit = { code: null, signal: null, stderr: [], breach: null, killedByUs: false };
