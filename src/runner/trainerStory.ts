/**
 * What a trainer has said so far, as far as it decides how its run goes on: where it is, what it saved, what it waits
 * for, how it says it ended. Writes nothing and asks for nothing.
 */
import type { FailedEvent, TrainerEvent } from '../protocol/trainer.ts';
import { diskIsFull } from './patiently.ts';

export class TrainerStory {
  /** The last step it told of. */
  step: number;
  /** Of the last checkpoint; 0 for none. */
  savedStep: number;
  /** It goes no further although nobody paused it: why. */
  waitsFor: string | undefined;
  finished: 'completed' | 'stopped' | null = null;
  failed: FailedEvent | null = null;
  #hasBegun = false;
  /** The newest checkpoint of which it does not know that the journal tells of it. */
  #unacknowledged: string | null = null;

  /** Of an attempt that begins at a checkpoint, or (`null`) at the start. */
  constructor(beginning: string | null) {
    this.step = stepOf(beginning);
    this.savedStep = this.step;
  }

  /** Its work is done: nothing more will be asked of it. */
  get isOver(): boolean {
    return this.finished !== null || this.failed !== null;
  }

  /** True once, when the checkpoint is loaded: an attempt that is refused hides nothing of those before. */
  begins(event: TrainerEvent): boolean {
    if (this.#hasBegun || !comesOfTraining.has(event.type)) return false;
    this.#hasBegun = true;
    return true;
  }

  heard(event: TrainerEvent): void {
    if (event.type !== 'alive') this.waitsFor = whatFor(event);
    if (event.type === 'step') this.step = event.step;
    if (event.type === 'finished') this.finished = event.reason;
    if (event.type === 'failed') this.failed = event;
    if (event.type !== 'checkpointed') return;
    this.savedStep = event.step;
    this.#unacknowledged = event.folder;
  }

  /** Given once, when everything before it is on the disk. */
  takeUnacknowledged(): string | null {
    const checkpoint = this.#unacknowledged;
    this.#unacknowledged = null;
    return checkpoint;
  }
}

const comesOfTraining: ReadonlySet<TrainerEvent['type']> = new Set(['series', 'checked', 'evaluated', 'step']);

function whatFor(event: TrainerEvent): string | undefined {
  if (event.type !== 'waiting') return undefined;
  return event.code === 'disk-full' ? diskIsFull : event.message;
}

/** "a1-step-40" → 40; 0 from the start. */
const stepOf = (checkpoint: string | null): number => Number(checkpoint?.split('-').at(-1) ?? 0);
