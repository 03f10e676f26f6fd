/** A project in a temp folder, an engine whose trainer is the fake one, and a home of its own for every test file. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRun } from '../../src/runs/createRun.ts';
import { type LaunchRunner, launchRunner } from '../../src/runs/launch.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import { isAlive } from '../../src/runs/processIdentity.ts';
import { RunFolder } from '../../src/runs/runFolder.ts';
import { isOver, type StatusOfRun, statusOf } from '../../src/runs/status.ts';
import { findStore, type Store } from '../../src/runs/store.ts';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';
import { bundle, fakeTrainer, fakeTrainerProgram } from '../protocol/fakeTrainerProgram.ts';

const source = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

process.setMaxListeners(0);

/** Removed when the test file's process ends. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  process.once('exit', () => {
    try {
      // Moved first: a runner that is still there finds its run gone and ends, and writes nothing into what is being emptied.
      const going = `${folder}-going`;
      renameSync(folder, going);
      rmSync(going, { recursive: true, force: true, maxRetries: 5 });
    } catch {
      // A file that is still open, say. Tests say what must be gone; this is no test.
    }
  });
  return folder;
}

/** Folders of runs in which nothing lies yet, in one that goes with the test file. */
export function emptyRuns(name: string): () => RunFolder {
  const root = temporaryFolder(name);
  let count = 0;
  return () => {
    count += 1;
    const id = `run-${count}`;
    mkdirSync(join(root, id));
    return new RunFolder(id, join(root, id));
  };
}

/** Sets HOLDFAST_HOME for this process and its children. */
export function ownHome(): string {
  const home = temporaryFolder('home');
  process.env.HOLDFAST_HOME = home;
  return home;
}

let engine: string | undefined;

/** runner.cjs and cli.cjs as built from source; trainer.cjs is the fake one; a model folder that has the right names. */
export function testEngine(): string {
  if (engine) return engine;
  engine = temporaryFolder('engine');
  cpSync(bundle(source('src/runner/main.ts'), 'runner'), join(engine, 'runner.cjs'));
  cpSync(bundle(source('src/cli/main.ts'), 'cli'), join(engine, 'cli.cjs'));
  cpSync(fakeTrainerProgram(), join(engine, 'trainer.cjs'));
  writeFileSync(join(engine, 'command.cjs'), '');
  cpSync(source('package.json'), join(engine, 'package.json'));
  mkdirSync(join(engine, 'models', 'holdfast-tiny'), { recursive: true });
  writeFileSync(join(engine, 'models', 'holdfast-tiny', 'config.json'), '{}');
  return engine;
}

export const recipeText = `model: holdfast-tiny
data: { train: data/train.jsonl, eval: data/eval.jsonl }
retain:
  probes:
    general: { file: data/general.txt, budget: { nats: 0.05 } }
    arithmetic: { file: data/arithmetic.choice.jsonl, budget: { points: 3 } }
  prompts: [ "2 + 2 =" ]
method:
  replay: { data: data/replay.txt }
train: { max_steps: 20 }
evaluate: { every: 10 }
checkpoint: { every: 10 }
`;

export interface TestProject {
  folder: string;
  recipeFile: string;
  store: Store;
}

export function testProject(text = recipeText): TestProject {
  const folder = temporaryFolder('project');
  mkdirSync(join(folder, 'data'));
  for (const name of ['train.jsonl', 'eval.jsonl', 'general.txt', 'arithmetic.choice.jsonl', 'replay.txt']) {
    writeFileSync(join(folder, 'data', name), `{"text": "${name}"}\n`);
  }
  const recipeFile = join(folder, 'test.tune.yaml');
  writeFileSync(recipeFile, text);
  return { folder, recipeFile, store: findStore(recipeFile) };
}

export async function queueRun(
  project: TestProject,
  trainer: FakeTrainerOptions = {},
  more: Partial<Parameters<typeof createRun>[0]> = {},
): Promise<RunFolder> {
  return createRun({
    recipeFile: project.recipeFile,
    variant: 'plain',
    engineFolder: testEngine(),
    trainer: fakeTrainer(trainer),
    node: await chooseNode(),
    ...more,
  });
}

/** Looks often; the grace of the stop ladder stays long, since a busy machine is no stubborn trainer. */
export const quick = ['--grace-ms', '10000', '--heartbeat-ms', '100', '--poll-ms', '20'];

export async function launch(project: TestProject, more: string[] = []): Promise<{ pid: number }> {
  return launchRunner(await launchOptions(project, more));
}

export const launchOptions = async ({ store }: TestProject, more: string[] = []): Promise<LaunchRunner> => ({
  store,
  engineFolder: testEngine(),
  node: await chooseNode(),
  trusted: true,
  runnerArguments: [...quick, ...more],
});

export async function startRun(
  project: TestProject,
  trainer: FakeTrainerOptions = {},
  runnerArguments: string[] = [],
): Promise<RunFolder> {
  const run = await queueRun(project, trainer);
  await launch(project, runnerArguments);
  return run;
}

/** Waits for a state; fails after two minutes: on a busy machine a second can take ten. */
export async function until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>> {
  const end = Date.now() + 120_000;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`never came: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** Over, and its runner has done with the folder: the heartbeat goes behind the exit record. */
export function ended(run: RunFolder): Promise<StatusOfRun> {
  return until(`the end of ${run.id}`, async () => {
    const status = await statusOf(run);
    if (!isOver(status.status)) return null;
    const runner = status.process?.runner.identity;
    const isWriting = existsSync(run.heartbeatFile) && runner && (await isAlive(runner)) === 'alive';
    return isWriting ? null : status;
  });
}
