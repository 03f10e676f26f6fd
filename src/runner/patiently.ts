/** What finds no room on the disk is tried again until it does. Knows nothing of what is written. */
import { setTimeout as pause } from 'node:timers/promises';
import { RunsError } from '../runs/runsError.ts';

export const diskIsFull = 'the disk is full: it goes on once there is room';

export const isFull = (error: unknown): boolean => error instanceof RunsError && error.code === 'disk-full';

/** `waits` is called before each pause; what it throws ends the waiting. Any other failure of `write` is thrown. */
export async function patiently<T>(
  write: () => T | Promise<T>,
  pauseMs: number,
  waits: () => void | Promise<void>,
): Promise<T> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    await waits();
    await pause(pauseMs);
  }
}
