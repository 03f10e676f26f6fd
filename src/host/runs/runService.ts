/**
 * The only place of the editor that starts anything. Every way in asks for trust first; what is started belongs to
 * nobody and goes on when the window closes.
 */
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { TrainerEvent } from '../../protocol/trainer.ts';
import type { Recipe, ResolvedRecipe, VariantName } from '../../recipe/schema.ts';
import type { NodeChoice } from '../../runs/nodePath.ts';
import type { PythonWish } from '../../runs/pythonPath.ts';
import type { Rerun } from '../../runs/rerun.ts';
import type { ForkRun, Resumed, ResumeRun } from '../../runs/resumeRun.ts';
import type { RunFolder } from '../../runs/runFolder.ts';
import { RunsError } from '../../runs/runsError.ts';
import type { Steering } from '../../runs/steerRun.ts';
import { findStore, type Store } from '../../runs/store.ts';
import { readSettings } from '../settings.ts';
import { agreeToCommand } from './agreeToCommand.ts';
import { pythonWish } from './pythonWish.ts';
import type { RunEntry } from './runsModel.ts';

/** A recipe as it stands in an editor or on the disk. */
export interface RecipeText {
  file: string;
  text: string;
}

export interface StartedRuns {
  store: Store;
  runs: RunFolder[];
}

/** What this machine brings to a run. */
interface Machine {
  recipeFile: string;
  recipeText: string;
  store: Store;
  engineFolder: string;
  node: NodeChoice;
  pythonWish: PythonWish;
  modelRoots: string[];
  trainer?: string[];
}

export class RunService {
  readonly #extensionFolder: string;
  readonly #log: vscode.LogOutputChannel;

  constructor(extensionFolder: string, log: vscode.LogOutputChannel) {
    this.#extensionFolder = extensionFolder;
    this.#log = log;
  }

  storeOf(recipeFile: string): Store {
    return findStore(recipeFile, { runsFolder: readSettings().runsFolder });
  }

  async start(recipe: RecipeText, variant: VariantName): Promise<StartedRuns> {
    const { createRun } = await import('../../runs/createRun.ts');
    const machine = await this.#machine(recipe);
    const { command } = await this.#parsed(recipe);
    const agreedCommand = command ? await agreeToCommand(command, recipe.file) : undefined;
    if (agreedCommand === null) return { store: machine.store, runs: [] };
    const run = await createRun({ ...machine, variant, agreedCommand });
    return this.#launch(machine, [run]);
  }

  /** What a past run was made of, or is made of now; its id. */
  async startAgain(again: Rerun): Promise<string> {
    const { createRun } = await import('../../runs/createRun.ts');
    const machine = await this.#machine({ file: again.recipeFile, text: again.recipeText });
    const run = await createRun({ ...machine, ...again });
    await this.#launch(machine, [run]);
    return run.id;
  }

  /** Plain, the three methods, plain at a third of the rate, and the recipe as written. */
  async compare(recipe: RecipeText): Promise<StartedRuns> {
    const { comparisonArms } = await import('../../recipe/variants.ts');
    const parsed = await this.#parsed(recipe);
    return this.startArms(recipe, 'compare', comparisonArms(parsed, { fileName: basename(recipe.file) }));
  }

  /** Every combination of the values under `sweep`; nothing is made. */
  async sweepArms(recipe: RecipeText): Promise<ResolvedRecipe[]> {
    const { sweepArms } = await import('../../recipe/sweep.ts');
    return sweepArms(await this.#parsed(recipe), { fileName: basename(recipe.file) });
  }

  /** One queue, one group. */
  async startArms(recipe: RecipeText, kind: 'compare' | 'sweep', arms: ResolvedRecipe[]): Promise<StartedRuns> {
    const { createRun } = await import('../../runs/createRun.ts');
    const machine = await this.#machine(recipe);
    const group = `${kind}-${randomBytes(4).toString('hex')}`;
    const runs: RunFolder[] = [];
    for (const resolved of arms) runs.push(await createRun({ ...machine, variant: 'as-written', resolved, group }));
    return this.#launch(machine, runs);
  }

  /** Refuses a recipe with errors in the words that Start would use. */
  async #parsed(recipe: RecipeText): Promise<Recipe> {
    const { resolveText } = await import('../../runs/createRun.ts');
    const { parseRecipe } = await import('../../recipe/parse.ts');
    resolveText(recipe.file, recipe.text, { variant: 'as-written' });
    const parsed = parseRecipe(recipe.text, recipe.file).recipe;
    if (!parsed) throw new RunsError('recipe', 'The recipe cannot be read', { file: recipe.file });
    return parsed;
  }

  /** The first batch, the resolved defaults and the estimate; no run is made. */
  async check(recipe: RecipeText, variant: VariantName, signal: AbortSignal): Promise<TrainerEvent[]> {
    const { resolveText } = await import('../../runs/createRun.ts');
    const { resolvePaths } = await import('../../runs/allowedRoots.ts');
    const { chooseEngine } = await import('../../runs/chooseEngine.ts');
    const { runTrainerJob } = await import('../../runs/trainerJob.ts');
    const machine = await this.#machine(recipe);
    const resolved = resolveText(recipe.file, recipe.text, { variant });
    const paths = resolvePaths(resolved, { ...machine, storeRoot: machine.store.root });
    // Nothing of the recipe's command is started.
    const agreed = { ...machine, agreedCommand: resolved.command };
    const asked = { ...machine, ...(await chooseEngine(resolved, paths, agreed)) };
    return runTrainerJob({ ...asked, job: 'check', recipe: resolved, paths, trusted: isTrusted(), signal });
  }

  /** One more attempt of a run that is over. */
  async resume(
    { store, folder }: Pick<RunEntry, 'store' | 'folder'>,
    options: Pick<ResumeRun, 'from' | 'asItRan'> = {},
  ): Promise<Resumed> {
    const tools = await this.tools();
    const { resumeRun } = await import('../../runs/resumeRun.ts');
    const resumed = await resumeRun({ ...options, store, run: folder, trusted: isTrusted() });
    await this.#launch({ ...tools, store }, [folder]);
    return resumed;
  }

  /** A new run that begins at a checkpoint of another and may differ. */
  async fork(
    { store, folder }: Pick<RunEntry, 'store' | 'folder'>,
    options: Pick<ForkRun, 'from' | 'overrides' | 'name'>,
  ): Promise<Resumed> {
    const tools = await this.tools();
    const trainer = trainerOfTests();
    const { forkRun } = await import('../../runs/resumeRun.ts');
    const { modelFolders: modelRoots } = readSettings();
    const machine = { ...tools, modelRoots, pythonWish: await pythonWish(), ...(trainer && { trainer }) };
    const forked = await forkRun({ ...options, store, run: folder, machine });
    await this.#launch({ ...tools, store }, [forked.run]);
    return forked;
  }

  async stop({ store, folder }: Pick<RunEntry, 'store' | 'folder'>): Promise<void> {
    requireTrust();
    const { stopRun } = await import('../../runs/stopRun.ts');
    const onSilent = (reason: string) => {
      this.#log.warn(`${folder.id}: ${reason}: waking it, else ending it`);
      const text = vscode.l10n.t(
        'The runner of {0} does not answer: it is woken, else ended. This takes a while.',
        folder.id,
      );
      void vscode.window.showWarningMessage(text);
    };
    await stopRun({ store, run: folder, onSilent });
    this.#log.info(`Asked ${folder.id} to stop`);
  }

  async steer(run: RunFolder, steering: Steering): Promise<void> {
    requireTrust();
    const { steerRun } = await import('../../runs/steerRun.ts');
    await steerRun(run, steering);
    this.#log.info(`Asked ${run.id}: ${steering}`);
  }

  /** A runner for what waits: it leaves at once where another one is at it. */
  async serve(store: Store): Promise<void> {
    await this.#launch({ ...(await this.tools()), store }, []);
  }

  async #machine(recipe: RecipeText): Promise<Machine> {
    const trainer = trainerOfTests();
    return {
      ...(await this.tools()),
      recipeFile: recipe.file,
      recipeText: recipe.text,
      store: this.storeOf(recipe.file),
      modelRoots: readSettings().modelFolders,
      pythonWish: await pythonWish(),
      ...(trainer && { trainer }),
    };
  }

  /** What programs are started with. */
  async tools(): Promise<Pick<Machine, 'engineFolder' | 'node'>> {
    requireTrust();
    const { chooseNode } = await import('../../runs/nodePath.ts');
    const { installEngine } = await import('../../runs/engineFolder.ts');
    const { nodePath } = readSettings();
    const [node, engineFolder] = await Promise.all([chooseNode(nodePath), installEngine(this.#extensionFolder)]);
    return { node, engineFolder };
  }

  async #launch(machine: Pick<Machine, 'store' | 'engineFolder' | 'node'>, runs: RunFolder[]): Promise<StartedRuns> {
    const { launchRunner } = await import('../../runs/launch.ts');
    const { store, engineFolder, node } = machine;
    await launchRunner({ store, engineFolder, node, trusted: isTrusted() });
    for (const run of runs) this.#log.info(`Queued ${run.id} with ${node.path}: ${node.reason}`);
    return { store, runs };
  }
}

const isTrusted = (): boolean => vscode.workspace.isTrusted;

/** Asked before anything is started or written. */
export function requireTrust(): void {
  if (isTrusted()) return;
  throw new RunsError('not-trusted', vscode.l10n.t('Nothing is started in a folder that is not trusted.'), {
    remedy: vscode.l10n.t('Trust the folder first.'),
  });
}

/** Of the machine's environment, never of a workspace: program and arguments as a JSON list. */
function trainerOfTests(): string[] | undefined {
  const given = process.env.HOLDFAST_TRAINER;
  return given ? (JSON.parse(given) as string[]) : undefined;
}
