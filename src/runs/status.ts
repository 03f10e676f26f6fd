/**
 * What a run is doing, derived from its files and from the processes they name. Never stored: alive = heartbeat or
 * process of the present attempt; else that attempt's exit.json; neither: lost.
 */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import type { RunStatus } from '../protocol/result.ts';
import { newestAttempt, pendingResume } from './attempts.ts';
import { type Clock, Silence, systemClock } from './clock.ts';
import { ControlReader } from './control.ts';
import { isAlive, isOfThisBoot } from './processIdentity.ts';
import type { Heartbeat, RunExit, RunFolder, RunProcess, RunResume } from './runFolder.ts';
import { RunsError } from './runsError.ts';

/** Heartbeats come every 5 s, and whoever freezes is to be seen as silent within 15. */
const silentAfterMs = 13_000;
/** A look that comes later than this came after a sleep. */
const longestLookMs = 2000;
/** A trainer that computes without a word may be in a long step; one that does not even compute is told sooner. */
const trainerSilentAfterMs = 60_000;
const idleAfterMs = 8000;
/** Of another machine nobody here can know whether a silent runner is gone. */
const lostAfterMs = 180_000;
const dayMs = 86_400_000;

export interface StatusOfRun {
  status: RunStatus;
  /** In words; empty while all is well. */
  reason: string;
  attempt: number;
  /** Last step anyone told of. */
  step: number;
  process: RunProcess | null;
  exit: RunExit | null;
  heartbeat: Heartbeat | null;
  /** Stale, and it is the runner on this machine that does not answer. */
  isRunnerSilent: boolean;
}

export const isOver = (status: RunStatus): boolean => ['finished', 'stopped', 'failed', 'lost'].includes(status);

/** Looks at runs and remembers whose heartbeat it has seen, and how long ago. */
export class StatusWatch {
  readonly #clock: Clock;
  readonly #heard = new Map<string, { beat: string; silence: Silence }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async look(run: RunFolder): Promise<StatusOfRun> {
    try {
      const [process, exit, heartbeat] = await Promise.all([run.process(), run.exit(), heartbeatOf(run)]);
      const pending = await pendingResume(run, process, exit);
      if (pending) return await waiting(run, pending, process, exit, heartbeat);
      const attempt = newestAttempt(process, exit);
      const ofAttempt = (found: RunExit | null) => (found && found.attempt >= attempt ? found : null);
      const known = ofAttempt(exit);
      const runner = process && !known ? await isAlive(process.runner.identity) : null;
      // It may have ended between our two looks.
      const ended = known ?? (runner === 'gone' ? ofAttempt(await run.exit()) : null);
      const beat = heartbeat && heartbeat.attempt === attempt ? heartbeat : null;
      const step = lastTold(ended ?? exit, heartbeat);
      const [status, reason, isRunnerSilent = false] = ended
        ? ([ended.outcome, ended.reason] as const)
        : await this.#judge(run, process, runner, beat);
      if (isOver(status)) this.#heard.delete(run.folder);
      return { status, reason, attempt, step, process, exit: ended, heartbeat: beat, isRunnerSilent };
    } catch (error) {
      if (!(error instanceof RunsError)) throw error;
      const nothing = { attempt: 1, step: 0, process: null, exit: null, heartbeat: null, isRunnerSilent: false };
      return { status: 'lost', reason: error.message, ...nothing };
    }
  }

  /** Of a run without an exit record. */
  async #judge(
    run: RunFolder,
    process: RunProcess | null,
    runner: 'alive' | 'gone' | 'unknown' | null,
    beat: Heartbeat | null,
  ): Promise<[RunStatus, string, boolean?]> {
    if (!process && !existsSync(run.runJson)) return ['lost', folderGone];
    if (!process) return (await isCancelled(run, 1)) ? ['stopped', cancelled] : ['queued', beat?.waitsFor ?? ''];
    const { host } = process.runner.identity;
    if (runner === 'gone') return ['lost', await howItWasLost(process)];
    const silentMs = this.#silence(run, process, runner === 'alive', beat);
    if (runner === 'unknown' && silentMs > lostAfterMs) return ['lost', `no sign of life from ${host}`];
    if (silentMs > silentAfterMs) {
      const where = runner === 'unknown' ? ` on ${host}` : '';
      const reason = `its runner${where} has given no sign of life for ${Math.round(silentMs / 1000)} s`;
      return ['stale', reason, runner === 'alive'];
    }
    if (beat?.paused) return ['paused', beat.waitsFor ?? ''];
    if (beat && (beat.silentMs > trainerSilentAfterMs || (beat.idle && beat.silentMs > idleAfterMs))) {
      const frozen = beat.idle ? ' and does not compute: it may be frozen' : '';
      return ['stale', `the trainer has said nothing for ${Math.round(beat.silentMs / 1000)} s${frozen}`];
    }
    return ['running', runner === 'unknown' ? `on ${host}, seen from ${hostname()}` : ''];
  }

  /** Since the last heartbeat: as the runner's machine counted it when we came, and from look to look since. */
  #silence(run: RunFolder, process: RunProcess, isHere: boolean, beat: Heartbeat | null): number {
    const key = beat ? `${beat.attempt} ${beat.t} ${beat.up}` : 'none';
    const heard = this.#heard.get(run.folder);
    if (heard?.beat === key) return heard.silence.look();
    const silence = new Silence(this.#clock, longestLookMs, heard ? 0 : this.#before(process, isHere, beat));
    this.#heard.set(run.folder, { beat: key, silence });
    return silence.look();
  }

  /** Here by the clock that nobody sets; elsewhere by the clocks of two machines, which are only roughly equal. */
  #before(process: RunProcess, isHere: boolean, beat: Heartbeat | null): number {
    if (isHere) return beat ? Math.max(0, this.#clock.awake() - beat.up) : 0;
    const byTheClock = this.#clock.now() - (beat?.t ?? process.startedAt);
    return byTheClock > dayMs ? byTheClock : byTheClock > lostAfterMs ? lostAfterMs / 2 : 0;
  }
}

const watch = new StatusWatch(systemClock);

export const statusOf = (run: RunFolder): Promise<StatusOfRun> => watch.look(run);

/** One that is written over the other may be seen half; it says nothing then. */
function heartbeatOf(run: RunFolder): Promise<Heartbeat | null> {
  return run
    .heartbeat()
    .catch(() => run.heartbeat())
    .catch(() => null);
}

async function howItWasLost({ runner }: RunProcess): Promise<string> {
  return (await isOfThisBoot(runner.identity))
    ? 'its runner was killed from outside and left no exit record'
    : 'the machine was restarted while it ran';
}

/** Of a run that is to go on: queued again, at the step it had reached. */
async function waiting(
  run: RunFolder,
  { attempt }: RunResume,
  process: RunProcess | null,
  exit: RunExit | null,
  heartbeat: Heartbeat | null,
): Promise<StatusOfRun> {
  const reason = heartbeat?.attempt === attempt ? (heartbeat.waitsFor ?? '') : '';
  const known = {
    attempt,
    step: lastTold(exit, heartbeat),
    process,
    exit: null,
    heartbeat: null,
    isRunnerSilent: false,
  };
  return (await isCancelled(run, attempt))
    ? { ...known, status: 'stopped', reason: cancelled }
    : { ...known, status: 'queued', reason };
}

/** Of the newer attempt; an exit record comes after the last heartbeat. */
function lastTold(exit: RunExit | null, heartbeat: Heartbeat | null): number {
  const isBeating = heartbeat && heartbeat.attempt > (exit?.attempt ?? 0);
  return isBeating ? heartbeat.step : (exit?.lastStep ?? 0);
}

const cancelled = 'cancelled before it started';

/** Of a run that somebody looked at before: nobody lists it any more. */
export const folderGone = 'its folder was deleted or moved away';

/** A stop for an attempt that no runner has taken yet. */
export async function isCancelled(run: RunFolder, attempt: number): Promise<boolean> {
  const commands = await new ControlReader(run).next();
  return commands.some(command => command.type === 'stop' && command.attempt === attempt);
}
