/** The command line as built from source, with the fake trainer: starts it, and gathers what it says. Knows no command. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';
import { testEngine } from '../runs/testStore.ts';

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface Place {
  /** Where it is called. */
  folder: string;
}

interface Started {
  child: ChildProcessByStdio<null, Readable, Readable>;
  done: Promise<Outcome>;
}

/** `env` is what differs from this process's environment. */
export function start(
  { folder }: Place,
  words: string[],
  trainer: FakeTrainerOptions = {},
  env: NodeJS.ProcessEnv = {},
): Started {
  const child = spawn(process.execPath, [join(testEngine(), 'cli.cjs'), ...words], {
    cwd: folder,
    env: { ...process.env, HOLDFAST_FAKE_TRAINER: JSON.stringify(trainer), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', chunk => {
      outcome[stream] += chunk;
    });
  }
  const done = new Promise<Outcome>(resolve => child.once('close', code => resolve({ ...outcome, code })));
  return { child, done };
}

export const holdfast = (...given: Parameters<typeof start>): Promise<Outcome> => start(...given).done;
