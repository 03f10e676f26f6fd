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
  /** Of the last step, and of the last checkpoint; 0 for none. */
  step: number;
  savedStep: number;
  /** A failure of the runner itself: disk, permission. */
  fatal: ErrorReport | null;
  /** Processes the kernel has killed for want of memory since the start. */
  outOfMemoryKills: number;
}

export function describeEnding(ending: Ending): Pick<RunExit, 'outcome' | 'reason' | 'error'> {
  const { exit, finished, failed, fatal } = ending;
  if (fatal) return failure(fatal);
  if (exit.breach) return failure(exit.breach);
  if (failed?.code === 'disk-full' && ending.stopAsked) {
    return { outcome: 'stopped', reason: `${stoppedWithoutSaving(ending)}: ${failed.message}` };
  }
  if (failed) {
    const { type: _, ...report } = failed;
    return failure(report);
  }
  if (finished === 'stopped') return { outcome: 'stopped', reason: whatWasSaved(ending) };
  if (finished === 'completed' && exit.code === 0) return { outcome: 'finished', reason: 'finished' };
  if (ending.stopAsked) return { outcome: 'stopped', reason: stoppedHard(ending) };
  if (finished === 'completed') {
    return failure({ code: 'trainer-exit', message: `The trainer finished and then ${howItEnded(exit)}` });
  }
  return failure(guess(ending));
}

function failure(error: ErrorReport): Pick<RunExit, 'outcome' | 'reason' | 'error'> {
  return { outcome: 'failed', reason: error.message, error };
}

function whatWasSaved(ending: Ending): string {
  if (ending.step === 0) return 'stopped before its first step: there was nothing to save';
  if (ending.savedStep === ending.step) return `stopped, and saved at step ${ending.step}`;
  return stoppedWithoutSaving(ending);
}

function stoppedWithoutSaving({ step, savedStep }: Ending): string {
  if (step === 0) return 'stopped before its first step';
  const last = savedStep > 0 ? `the last checkpoint is of step ${savedStep}` : 'there is no checkpoint';
  return savedStep === step
    ? `stopped at step ${step}, which is saved`
    : `stopped at step ${step} without saving; ${last}`;
}

function stoppedHard(ending: Ending): string {
  const words = stoppedWithoutSaving(ending);
  return ending.exit.killedByUs ? words : `${words}; the trainer ${howItEnded(ending.exit)}`;
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
    return {
      code: 'out-of-memory',
      message: `The trainer probably ran out of memory (it ${howItEnded(exit)})`,
      remedy: smaller,
    };
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
  if (exit.signal && ownFaults.has(exit.signal)) {
    return { code: 'trainer-exit', message: `The trainer crashed (${exit.signal})${said(exit)}`, remedy: readItsLog };
  }
  if (exit.signal) {
    // Only Linux tells whom it killed for want of memory.
    const perhaps = exit.signal === 'SIGKILL' && process.platform !== 'linux' ? ', perhaps for want of memory' : '';
    return { code: 'killed', message: `The trainer was killed from outside (${exit.signal})${perhaps}${said(exit)}` };
  }
  return {
    code: 'trainer-exit',
    message: `The trainer ${howItEnded(exit)} without saying why${said(exit)}`,
    remedy: readItsLog,
  };
}

const readItsLog = 'What it printed stands in trainer.log of the run folder.';

/** Signals that a program brings on itself. */
const ownFaults = new Set<string>(['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGTRAP']);

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
