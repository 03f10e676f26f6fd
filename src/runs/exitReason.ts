/** How a trainer ended, in words: finished, stopped, or failed with a code and what to do. */
import { readFileSync } from 'node:fs';
import type { ErrorReport } from '../protocol/result.ts';
import type { FailedEvent } from '../protocol/trainer.ts';
import type { RunExit } from './runFolder.ts';
import type { TrainerExit } from './trainerProcess.ts';

export interface Ending {
  exit: TrainerExit;
  finished: 'completed' | 'stopped' | null;
  failed: FailedEvent | null;
  /** Somebody asked for a stop. */
  stopAsked: boolean;
  /** A failure of the runner itself: disk, permission. */
  fatal: ErrorReport | null;
  /** Processes the kernel has killed for want of memory since the start. */
  outOfMemoryKills: number;
}

export function describeEnding(ending: Ending): Pick<RunExit, 'outcome' | 'reason' | 'error'> {
  const { exit, finished, failed, fatal } = ending;
  if (fatal) return failure(fatal);
  if (exit.breach) return failure(exit.breach);
  if (failed) {
    const { type: _, ...report } = failed;
    return failure(report);
  }
  if (finished === 'stopped') return { outcome: 'stopped', reason: 'stopped, and saved' };
  if (finished === 'completed' && exit.code === 0) return { outcome: 'finished', reason: 'finished' };
  if (ending.stopAsked) return { outcome: 'stopped', reason: stoppedHard(exit) };
  if (finished === 'completed') {
    return failure({ code: 'trainer-exit', message: `The trainer finished and then ${howItEnded(exit)}` });
  }
  return failure(guess(ending));
}

function failure(error: ErrorReport): Pick<RunExit, 'outcome' | 'reason' | 'error'> {
  return { outcome: 'failed', reason: error.message, error };
}

function stoppedHard(exit: TrainerExit): string {
  return exit.killedByUs
    ? 'stopped at once; nothing was saved after the last checkpoint'
    : `stopped; ${howItEnded(exit)}`;
}

/** Nothing was said: what the system and the last lines of stderr tell. */
function guess({ exit, outOfMemoryKills }: Ending): ErrorReport {
  const words = exit.stderr.join('\n');
  const smaller = 'Lower micro_batch_size or max_length, or free memory.';
  if (outOfMemoryKills > 0 && exit.signal === 'SIGKILL') {
    return {
      code: 'out-of-memory',
      message: 'The trainer ran out of memory and was killed by the system',
      remedy: smaller,
    };
  }
  if (/out of memory|bad_alloc|cannot allocate memory|failed to allocate memory/i.test(words) || exit.code === 137) {
    return { code: 'out-of-memory', message: `The trainer ran out of memory (${howItEnded(exit)})`, remedy: smaller };
  }
  if (/ENOSPC|no space left on device/i.test(words)) {
    return {
      code: 'disk-full',
      message: 'The trainer found the disk full',
      remedy: 'Free some space and start again.',
    };
  }
  if (/EACCES|permission denied/i.test(words)) {
    return { code: 'no-permission', message: `The trainer lacked a permission: ${lastWords(exit)}` };
  }
  if (exit.signal) {
    return { code: 'killed', message: `The trainer was killed from outside (${exit.signal})${said(exit)}` };
  }
  return {
    code: 'trainer-exit',
    message: `The trainer ${howItEnded(exit)} without saying why${said(exit)}`,
    remedy: 'What it printed stands in trainer.log of the run folder.',
  };
}

function howItEnded({ code, signal }: TrainerExit): string {
  return signal ? `was ended by ${signal}` : `left with exit code ${code}`;
}

const lastWords = (exit: TrainerExit): string => exit.stderr.filter(line => line.trim() !== '').at(-1) ?? '';

function said(exit: TrainerExit): string {
  const words = lastWords(exit);
  return words ? `; its last words: ${words}` : '';
}

/** Linux counts processes killed for want of memory; elsewhere 0. */
export function outOfMemoryKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
