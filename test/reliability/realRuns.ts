/**
 * Runs of the real engine on a tiny model, with store and runner as users have them: for claims about what training
 * gives after something went wrong. Nothing in it is faked.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { RunState } from '../../src/domain/runState.ts';
import { createRun } from '../../src/runs/createRun.ts';
import { launchRunner } from '../../src/runs/launch.ts';
import { loadRun } from '../../src/runs/loadRun.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import type { ForkRun } from '../../src/runs/resumeRun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { statusOf } from '../../src/runs/status.ts';
import { Store } from '../../src/runs/store.ts';
import { makeTinyFiles, type TinyRecipe } from '../engine/support/tinyRun.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { quick, testEngine, until } from '../runs/testStore.ts';

export interface RealProject {
  folder: string;
  store: Store;
  /** What a new run here is made with. */
  machine: ForkRun['machine'];
  queue(recipe: TinyRecipe): Promise<RunFolder>;
  launch(): Promise<void>;
}

export async function realProject(): Promise<RealProject> {
  const files = await makeTinyFiles();
  const store = new Store(files.folder, join(files.folder, '.holdfast'));
  const node = await chooseNode();
  const engineFolder = testEngine();
  const trainer = [bundle(resolve('src/engine/main.ts'), 'trainer')];
  const machine = { engineFolder, node, threads: 1, trainer };
  return {
    folder: files.folder,
    store,
    machine,
    queue: recipe =>
      createRun({
        recipeFile: join(files.folder, 'tiny.tune.yaml'),
        recipeText: '# made by a test',
        resolved: files.start(recipe).recipe,
        variant: 'as-written',
        store,
        ...machine,
      }),
    launch: async () => {
      await launchRunner({ store, engineFolder, node, trusted: true, runnerArguments: quick });
    },
  };
}

/** Waits for the end of an attempt; its outcome and reason. */
export async function attemptOver(run: RunFolder, attempt: number): Promise<string> {
  return until(`the end of attempt ${attempt} of ${run.id}`, async () => {
    const [exit, { status, attempt: newest }] = await Promise.all([run.exit(), statusOf(run)]);
    if (exit && exit.attempt >= attempt) return `${exit.outcome}: ${exit.reason}`;
    return newest >= attempt && status === 'lost' ? 'lost' : null;
  });
}

/** All that a run's numbers are: losses to the last bit, evaluations, and the result's weights. */
export async function outcomeOf(
  run: RunFolder,
): Promise<{ losses: (number | null)[]; evaluations: unknown; weights: string }> {
  const { state } = await loadRun(run);
  return {
    losses: lossesOf(state),
    evaluations: state.evaluations.all(),
    weights: sha256(join(run.model, 'model.safetensors')),
  };
}

export const lossesOf = (state: RunState): (number | null)[] => state.series.get('loss')?.since(0).values ?? [];

export const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
