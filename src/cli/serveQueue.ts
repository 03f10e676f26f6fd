/** Runners for a queue that has none, as the command line starts them; and what is said when nothing of it is taken. */
import { readFile } from 'node:fs/promises';
import { launchRunner } from '../runs/launch.ts';
import { readQueue } from '../runs/queue.ts';
import { isUnserved } from '../runs/queueCare.ts';
import { RunsError } from '../runs/runsError.ts';
import type { Store } from '../runs/store.ts';
import { thisMachine } from './machine.ts';
import type { Output } from './output.ts';

/** On a busy machine a program takes its time to start. */
const takeUpMs = 15_000;

/** Leaves at once where another one is at it. */
export async function startRunner(store: Store): Promise<void> {
  await launchRunner({ ...(await thisMachine()), store, trusted: true });
}

/** Resolves once somebody has taken up what waits. */
export async function serveQueue(store: Store): Promise<void> {
  await startRunner(store);
  if (await isUnserved(store, takeUpMs)) throw await noRunner(store);
}

export async function noRunner(store: Store): Promise<RunsError> {
  const words = (await readFile(store.runnerLog, 'utf8').catch(() => '')).trim().split('\n').slice(-3).join('\n');
  return new RunsError('runner-gone', `No runner takes what waits in ${store.folder}. Its log ends with:\n${words}`, {
    file: store.runnerLog,
    remedy: 'Try again with: holdfast queue release; holdfast doctor shows what may be missing.',
  });
}

/** Of what was queued just now and is left to itself: when nobody will take it, and why. */
export async function tellHold(store: Store, output: Output): Promise<{ held?: string }> {
  const { held } = await readQueue(store);
  if (!held) return {};
  output.line(nothingIsTaken(held.reason));
  return { held: held.reason };
}

/** Of a run that is queued: what it waits for. */
export async function whyQueued(store: Store): Promise<string> {
  const { held } = await readQueue(store);
  if (held) return nothingIsTaken(held.reason);
  if (await isUnserved(store)) return noRunnerLives;
  return 'It waits in the queue. What is before it is shown by: holdfast queue';
}

export const noRunnerLives = 'No runner lives that would take what waits. One is started by: holdfast queue release';

const nothingIsTaken = (reason: string): string =>
  `Nothing is taken while the queue is held: ${reason}. It goes on with: holdfast queue release`;
