/** What is to be written while the disk is full: tried again and again, and said, until there is room or a stop. */
import type { TrainerEvent } from '../protocol/trainer.ts';
import { EngineError } from './engineError.ts';
import type { RunControl } from './runControl.ts';

const pauseMs = 1000;

export async function whenThereIsRoom<T>(
  write: () => Promise<T>,
  observer: (event: TrainerEvent) => void,
  control: RunControl,
): Promise<T> {
  for (let isSaid = false; ; isSaid = true) {
    try {
      return await write();
    } catch (error) {
      const isFull = error instanceof EngineError && error.code === 'disk-full';
      if (!isFull || control.isStopping) throw error;
      if (!isSaid) observer({ type: 'waiting', code: error.code, message: error.message });
      await Promise.race([new Promise(resolve => setTimeout(resolve, pauseMs)), control.stopped]);
    }
  }
}
