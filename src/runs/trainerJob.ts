/** One question to a trainer, without a run: `check`, `evaluate`, `generate`. Nothing is left in the store. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FailedEvent, Outputs, StartCommand, TrainerEvent } from '../protocol/trainer.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { checkEngine } from './engineFolder.ts';
import { describeEnding, outOfMemoryKills } from './exitReason.ts';
import { holdfastHome } from './home.ts';
import type { NodeChoice } from './nodePath.ts';
import { RunsError } from './runsError.ts';
import { type TrainerLimits, TrainerProcess } from './trainerProcess.ts';

export interface TrainerJob {
  job: StartCommand['job'];
  recipe: ResolvedRecipe;
  /** From `resolvePaths`. */
  paths: Record<string, string>;
  engineFolder: string;
  node: NodeChoice;
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
  const events: TrainerEvent[] = [];
  const killsBefore = outOfMemoryKills();
  try {
    const trainer = await TrainerProcess.start({
      node: job.node,
      program: job.trainer ?? [join(job.engineFolder, 'trainer.cjs')],
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
    trainer.send({
      type: 'start',
      job: job.job,
      attempt: 1,
      recipe: job.recipe,
      paths: job.paths,
      outputs: outputsIn(folder),
      threads: job.threads,
      resume: job.resume,
    });
    const exit = await trainer.exited;
    job.signal?.removeEventListener('abort', stop);
    const ending = describeEnding({
      exit,
      finished: events.find(event => event.type === 'finished')?.reason ?? null,
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
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The cache is the user's, never the project's: a repository could bring forged base scores. */
export const sharedCache = (): string => join(holdfastHome(), 'cache');

function outputsIn(folder: string): Outputs {
  const [checkpoints, items, samples, model] = ['checkpoints', 'items', 'samples', 'model'].map(name =>
    join(folder, name),
  );
  return { checkpoints: checkpoints!, items: items!, samples: samples!, model: model!, cache: sharedCache() };
}
