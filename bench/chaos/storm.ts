/**
 * The storm: keeps a queue of real runs going, does something bad to them again and again, mends what is over, and
 * judges every run by its undisturbed twin. What happens when is chosen by the seed. Knows nothing of how troubles work.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { uint32At } from '../../src/domain/randomNumbers.ts';
import { lockHolder } from '../../src/runs/lock.ts';
import { releaseQueue } from '../../src/runs/queue.ts';
import { resumeRun } from '../../src/runs/resumeRun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { isOver, type StatusOfRun, statusOf } from '../../src/runs/status.ts';
import { emptyTrash, trashRun } from '../../src/runs/trash.ts';
import { type Cause, causes, isExplained } from './explained.ts';
import { Ledger } from './ledger.ts';
import { firstDifference, type Outcome, outcomeOf } from './outcome.ts';
import { journalNow, lostOf, Window } from './window.ts';
import type { Example, Workplace } from './workplace.ts';

export interface WatchedRun {
  run: RunFolder;
  window: Window;
  /** What was done to it: each end before the last must name one of these. */
  happened: Set<Cause>;
  /** Checkpoints with a flipped bit. */
  flipped: Set<string>;
  /** How often it was taken up again. */
  resumes: number;
  /** Of these, since nobody does harm any more. */
  resumesInCalm: number;
  /** Somebody is at it now. */
  isBusy: boolean;
}

export interface Trouble {
  kind: string;
  /** How often it comes, beside the others. */
  weight: number;
  /** False when there was nobody to harm. What it starts in the background is handed to `storm.background`. */
  act: (storm: Storm) => Promise<boolean>;
}

/** In the time that an undisturbed run takes: of a slow machine's runs too, some get through. */
const troublesPerRun = 10;
const mostResumesInCalm = 3;
/** Of a run in the calm after the storm: then it is said to hang. */
const patienceMs = 240_000;

export class Storm {
  readonly workplace: Workplace;
  readonly ledger: Ledger;
  readonly watched = new Map<string, WatchedRun>();
  readonly #troubles: readonly Trouble[];
  readonly #twins = new Map<string, Outcome>();
  readonly #underWay = new Set<Promise<void>>();
  /** What an undisturbed run takes on this machine today. */
  #runMs = 0;
  #drawn = 0;
  #isCalm = false;

  constructor(workplace: Workplace, troubles: readonly Trouble[], seed: number) {
    this.workplace = workplace;
    this.#troubles = troubles;
    this.ledger = new Ledger(seed);
  }

  async rage(seconds: number): Promise<void> {
    for (const example of this.workplace.examples) {
      const since = Date.now();
      this.#twins.set(example.name, await this.workplace.undisturbed(example));
      this.#runMs = Math.max(this.#runMs, Date.now() - since);
      this.ledger.say(`${example.name} undisturbed: ${this.#twins.get(example.name)?.losses.size} steps`);
    }
    await this.#clearAway();
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) {
      await this.#tend();
      await this.#trouble();
      await sleep((2 * this.random() * this.#runMs) / troublesPerRun);
    }
    await this.#calm();
  }

  /** From 0 to below 1. */
  random(): number {
    this.#drawn += 1;
    return uint32At(this.ledger.seed, this.#drawn) / 2 ** 32;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random() * list.length)];
  }

  example(): Example {
    return this.pick(this.workplace.examples)!;
  }

  /** Goes on beside the storm. */
  background(what: string, task: () => Promise<void>): void {
    const done = this.ledger.attempt(what, task).then(() => void this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  /** The run that a runner is at, if any. */
  async current(): Promise<{ watched: WatchedRun; status: StatusOfRun } | null> {
    for (const watched of this.watched.values()) {
      const status = await statusOf(watched.run);
      if (['running', 'paused', 'stale'].includes(status.status)) return { watched, status };
    }
    return null;
  }

  async #trouble(): Promise<void> {
    let at = this.random() * this.#troubles.reduce((sum, { weight }) => sum + weight, 0);
    for (const { kind, weight, act } of this.#troubles) {
      at -= weight;
      if (at > 0) continue;
      await this.ledger.attempt(kind, async () => {
        if (!(await act(this))) return;
        this.ledger.count(kind);
        this.ledger.say(kind);
      });
      return;
    }
  }

  /** New runs for those that are done, mending for those that are over, a runner when there is none. */
  async #tend(): Promise<void> {
    await this.ledger.attempt('watching', () => this.#watchNewOnes());
    for (const watched of this.watched.values()) {
      if (watched.isBusy) continue;
      const status = await statusOf(watched.run);
      if (status.status === 'finished') this.#at(watched, 'judging', () => this.#judge(watched));
      else if (isOver(status.status) && (this.#isCalm || this.random() < 0.5)) {
        this.#at(watched, 'resuming', () => this.#mend(watched, status));
      }
    }
    if (!this.#isCalm && this.watched.size <= this.workplace.examples.length) {
      await this.ledger.attempt('queueing', async () => {
        await this.workplace.queue(this.example());
        this.ledger.count('run queued');
      });
    }
    if ((await lockHolder(this.workplace.store.runnerLock)) === null) {
      await this.ledger.attempt('launching', () => this.workplace.launch());
    }
  }

  #at(watched: WatchedRun, what: string, task: () => Promise<void>): void {
    watched.isBusy = true;
    this.background(`${what} ${watched.run.id}`, () => task().finally(() => (watched.isBusy = false)));
  }

  async #watchNewOnes(): Promise<void> {
    for (const id of await this.workplace.store.runIds()) {
      if (this.watched.has(id)) continue;
      const run = this.workplace.store.run(id);
      const request = await run.request();
      if (!request) {
        this.ledger.untruth(`${id} is a run without a request`);
        continue;
      }
      this.ledger.runs += 1;
      const happened = new Set<Cause>(request.owner ? [causes.terminalKilled] : []);
      const nothing = { happened, flipped: new Set<string>(), resumes: 0, resumesInCalm: 0, isBusy: false };
      this.watched.set(id, { run, window: new Window(run), ...nothing });
    }
  }

  /** Somebody takes up what is over. */
  async #mend(watched: WatchedRun, { status, reason, exit, attempt }: StatusOfRun): Promise<void> {
    const { run, happened, flipped } = watched;
    if (!isExplained(reason, happened)) {
      const known = [...happened].join(', ') || 'nothing';
      this.ledger.untruth(`${run.id} is ${status} with the reason "${reason}"; what was done to it: ${known}`);
    }
    if (watched.resumesInCalm === mostResumesInCalm) return this.#giveUp(watched, `${status}: ${reason}`);
    watched.resumes += 1;
    if (this.#isCalm) watched.resumesInCalm += 1;
    const { checkpoint, damaged } = await resumeRun({ store: this.workplace.store, run, trusted: true });
    for (const _ of damaged) this.ledger.count('damaged checkpoint passed over');
    if (checkpoint && flipped.has(checkpoint.name))
      this.ledger.untruth(`${run.id} goes on from ${checkpoint.name}, which has a flipped bit`);
    this.ledger.count(status === 'lost' ? 'lost run adopted' : 'run resumed');
    this.ledger.say(
      `${run.id} was ${status} in attempt ${attempt} at step ${exit?.lastStep ?? '?'} (${reason}), goes on from ${checkpoint?.name ?? 'the start'}`,
    );
  }

  async #judge(watched: WatchedRun): Promise<void> {
    const { run, window, resumes } = watched;
    const request = await run.request();
    const name = request?.recipeFile.split('/').at(-1)?.replace('.tune.yaml', '') ?? '';
    const outcome = await outcomeOf(run);
    const difference = firstDifference(outcome, this.#twins.get(name)!);
    if (difference) this.ledger.untruth(`${run.id} finished after ${resumes} resumes, and ${difference}`);
    else if (outcome.missing.length === 0) this.ledger.equal += 1;
    else this.ledger.exceptions.push(`${run.id} equals its twin but for ${gapsOf(outcome)}, and says so`);
    await this.#countLost(watched);
    this.ledger.say(
      `${run.id} finished after ${resumes} resumes: ${difference ?? 'equals its twin'}, ${window.seen.length} records seen`,
    );
    await this.#remove(watched);
  }

  async #giveUp(watched: WatchedRun, why: string): Promise<void> {
    await this.#countLost(watched);
    this.ledger.exceptions.push(`${watched.run.id} ${why}`);
    await this.#remove(watched);
  }

  async #countLost({ run, window }: WatchedRun): Promise<void> {
    const journal = await journalNow(run);
    const lost = lostOf(window.seen, journal) + journal.damage;
    this.ledger.lostPoints += lost;
    if (lost > 0) this.ledger.untruth(`${run.id}: ${lost} records that were seen are lost or damaged`);
  }

  async #remove({ run, window }: WatchedRun): Promise<void> {
    await window.close();
    this.watched.delete(run.id);
    await trashRun(this.workplace.store, run);
    await emptyTrash(this.workplace.store);
  }

  /** Nobody does harm any more: now everything has to come to its end. */
  async #calm(): Promise<void> {
    this.#isCalm = true;
    this.ledger.say('calm');
    await Promise.all(this.#underWay);
    await releaseQueue(this.workplace.store);
    // A busy machine takes its time; what hangs says nothing any more.
    let [heard, end] = [this.#heard(), Date.now() + patienceMs];
    while (this.watched.size > 0 && Date.now() < end) {
      await this.#tend();
      await sleep(300);
      if (this.#heard() !== heard) [heard, end] = [this.#heard(), Date.now() + patienceMs];
    }
    await Promise.all(this.#underWay);
    for (const watched of [...this.watched.values()]) {
      const { status, reason } = await statusOf(watched.run);
      this.ledger.untruth(`${watched.run.id} hangs: ${status} ${reason}`);
      await watched.window.close();
    }
  }

  /** Another number whenever a run has ended or said something. */
  #heard(): number {
    const records = [...this.watched.values()].reduce((sum, { window }) => sum + window.seen.length, 0);
    return records - 1e6 * this.watched.size;
  }

  /** The twins. */
  async #clearAway(): Promise<void> {
    for (const id of await this.workplace.store.runIds())
      await trashRun(this.workplace.store, this.workplace.store.run(id));
    await emptyTrash(this.workplace.store);
  }
}

const gapsOf = ({ missing }: Outcome): string =>
  missing.map(({ from, to }) => `steps ${from} to ${to}, which nobody heard of`).join(' and ');
