/**
 * One question to a trainer, without a run: `check`, `evaluate`, `generate`. A trainer that reads no data itself gets them
 * prepared first. Nothing is left in the store.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FailedEvent, Outputs, StartCommand, TrainerEvent } from '../protocol/trainer.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { checkEngine } from './engineFolder.ts';
import { describeEnding, outOfMemoryKills } from './exitReason.ts';
import { sharedCache } from './home.ts';
import type { NodeChoice } from './nodePath.ts';
import type { PythonChoice } from './pythonPath.ts';
import { RunsError } from './runsError.ts';
import { type TrainerLimits, TrainerProcess } from './trainerProcess.ts';
import { embeddedProgram, type OwnProgram, type TrainerProgram, trainerProgram } from './trainerProgram.ts';

export interface TrainerJob {
  job: StartCommand['job'];
  recipe: ResolvedRecipe;
  /** From `resolvePaths`. */
  paths: Record<string, string>;
  engineFolder: string;
  node: NodeChoice;
  /** Asks the torch engine. */
  python?: PythonChoice;
  command?: OwnProgram;
  trusted: boolean;
  trainer?: string[];
  threads?: number;
  /** With `check`: may a run go on from this checkpoint? */
  resume?: StartCommand['resume'];
  signal?: AbortSignal;
  onEvent?: (event: TrainerEvent) => void;
  limits?: Partial<TrainerLimits>;
}

/** Every event it sent. Throws `RunsError` with the trainer's own words when it failed, also when it was stopped. */
export async function runTrainerJob(job: TrainerJob): Promise<TrainerEvent[]> {
  if (!job.trainer) checkEngine(job.engineFolder);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-'));
  try {
    const program = trainerProgram(job);
    if (!program.needsPrepared) return await ask(job, program, folder);
    const prepared = join(folder, 'prepared');
    const preparing = await ask({ ...job, job: 'prepare' }, embeddedProgram(job), folder, prepared);
    // A program of the user's own answers no questions.
    return job.command ? preparing : await ask(job, program, folder, prepared);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ask(
  job: TrainerJob,
  program: TrainerProgram,
  folder: string,
  prepared?: string,
): Promise<TrainerEvent[]> {
  const events: TrainerEvent[] = [];
  const killsBefore = outOfMemoryKills();
  const trainer = await TrainerProcess.start({
    node: program.tool,
    program: program.args,
    cwd: folder,
    trusted: job.trusted,
    limits: job.limits,
    onEvent: event => {
      events.push(event);
      job.onEvent?.(event);
      if (event.type === 'finished') trainer.endInput();
    },
  });
  const stop = () => void trainer.stop();
  job.signal?.addEventListener('abort', stop);
  if (job.signal?.aborted) stop();
  const { recipe, paths, threads, resume } = job;
  const outputs = outputsIn(folder);
  trainer.send({ type: 'start', job: job.job, attempt: 1, recipe, paths, outputs, prepared, threads, resume });
  const exit = await trainer.exited;
  job.signal?.removeEventListener('abort', stop);
  const finished = events.find(event => event.type === 'finished')?.reason ?? null;
  const ending = describeEnding({
    exit,
    finished,
    failed: events.find((event): event is FailedEvent => event.type === 'failed') ?? null,
    stopAsked: job.signal?.aborted ?? false,
    step: 0,
    savedStep: 0,
    fatal: null,
    outOfMemoryKills: outOfMemoryKills() - killsBefore,
  });
  if (ending.outcome === 'finished') return events;
  const error = ending.error ?? { code: 'stopped', message: ending.reason };
  throw new RunsError(error.code, error.message, error);
}

function outputsIn(folder: string): Outputs {
  const [checkpoints, items, samples, model] = ['checkpoints', 'items', 'samples', 'model'].map(name =>
    join(folder, name),
  );
  return { checkpoints: checkpoints!, items: items!, samples: samples!, model: model!, cache: sharedCache() };
}
