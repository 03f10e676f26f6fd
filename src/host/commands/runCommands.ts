/** The commands about runs: start, compare, check, stop, look. Each is short; what it does lies elsewhere. */
import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import type { VariantName } from '../../recipe/schema.ts';
import type { App } from '../app.ts';
import { pastRecipeUri } from '../runs/pastRecipe.ts';
import { pickRuns } from '../runs/pickRun.ts';
import { isLive } from '../runs/runsModel.ts';
import { openAt } from '../userMessages.ts';
import { manyRuns, oneRun, runsIn } from './chosenRuns.ts';
import { recipeOf } from './recipeOf.ts';

/** Starts and shows the run beside the recipe; the run's id, for whoever asked. */
export function startAs(variant: VariantName) {
  return async (app: App, given: unknown): Promise<string | undefined> => {
    const recipe = await recipeOf(given);
    if (!recipe) return undefined;
    const { runs } = await app.service.start(recipe, variant);
    await app.model.refresh();
    const id = runs[0]?.id;
    if (id) app.panels.showRun(id);
    return id;
  };
}

export async function compare(app: App, given: unknown): Promise<string[]> {
  const recipe = await recipeOf(given);
  if (!recipe) return [];
  const { runs } = await app.service.compare(recipe);
  await app.model.refresh();
  const ids = runs.map(({ id }) => id);
  app.panels.compare(ids);
  return ids;
}

export async function check(app: App, given: unknown): Promise<void> {
  const recipe = await recipeOf(given);
  if (recipe) app.panels.check(recipe, 'as-written');
}

/** The run again. Asks only where something has changed since. */
export async function rerun(app: App, given: unknown): Promise<string | undefined> {
  const run = await oneRun(app, given, app.model.runs, vscode.l10n.t('Which run?'));
  if (!run) return undefined;
  const { rerun } = await import('./rerun.ts');
  const id = await rerun(app, run);
  if (!id) return undefined;
  await app.model.refresh();
  app.panels.showRun(id);
  return id;
}

export async function stop(app: App, given: unknown): Promise<void> {
  const live = app.model.runs.filter(isLive);
  const run = await oneRun(app, given, live, vscode.l10n.t('Which run should stop?'));
  if (run) await app.service.stop(run);
}

export async function pauseRun(app: App, given: unknown): Promise<void> {
  const atWork = app.model.runs.filter(({ status }) => status === 'running' || status === 'stale');
  const run = await oneRun(app, given, atWork, vscode.l10n.t('Which run should pause?'));
  if (run) await app.service.steer(run.folder, 'pause');
}

export async function saveCheckpoint(app: App, given: unknown): Promise<void> {
  const begun = app.model.runs.filter(run => isLive(run) && run.status !== 'queued');
  const run = await oneRun(app, given, begun, vscode.l10n.t('Which run should write a checkpoint?'));
  if (run) await app.service.steer(run.folder, 'checkpoint');
}

export async function showRun(app: App, given: unknown): Promise<void> {
  const run = await oneRun(app, given, app.model.runs, vscode.l10n.t('Which run?'));
  if (run) app.panels.showRun(run.id);
}

/** One alone is compared with others that are chosen. */
export async function compareSelected(app: App, given: unknown, selected: unknown): Promise<void> {
  let runs = runsIn(app, given, selected);
  if (runs.length < 2) {
    const picked = runs.map(({ id }) => id);
    runs = await pickRuns(app.model, vscode.l10n.t('Which runs should be compared?'), picked);
  }
  if (runs.length > 0) app.panels.compare(runs.map(({ id }) => id));
}

/** The recipe's file where it still says what the run was made of, else both beside each other. */
export async function openRunRecipe(app: App, given: unknown, line: unknown): Promise<void> {
  const run = await oneRun(app, given, app.model.runs, vscode.l10n.t('Which run?'));
  if (!run) return;
  const file = vscode.Uri.file(run.recipeFile);
  const then = await vscode.workspace.openTextDocument(pastRecipeUri(run));
  const now = await vscode.workspace.openTextDocument(file).then(
    document => document,
    () => undefined,
  );
  if (!now) await vscode.window.showTextDocument(then);
  else if (now.getText() === then.getText()) await openAt(run.recipeFile, typeof line === 'number' ? line : 1);
  else {
    const title = vscode.l10n.t('{0}: as it ran ↔ as it is', basename(run.recipeFile));
    await vscode.commands.executeCommand('vscode.diff', then.uri, file, title);
  }
}

export async function revealRunFolder(app: App, given: unknown): Promise<void> {
  const run = await oneRun(app, given, app.model.runs, vscode.l10n.t('Which run?'));
  if (!run) return;
  const path = join(run.folder.folder, ...checkpointIn(given));
  const folder = vscode.Uri.file(path);
  const hasDesktop = vscode.env.uiKind === vscode.UIKind.Desktop && !vscode.env.remoteName;
  if (hasDesktop) return vscode.commands.executeCommand('revealFileInOS', folder);
  // The window is on another machine than the files.
  if (vscode.workspace.getWorkspaceFolder(folder)) {
    return vscode.commands.executeCommand('revealInExplorer', folder);
  }
  await vscode.env.clipboard.writeText(path);
  void vscode.window.showInformationMessage(vscode.l10n.t('The path of the folder is copied: {0}', path));
}

const checkpointIn = (given: unknown): string[] =>
  typeof given === 'object' && given !== null && 'checkpoint' in given
    ? ['checkpoints', (given.checkpoint as { folder: string }).folder]
    : [];

export async function openLog(app: App, given: unknown): Promise<void> {
  const run = await oneRun(app, given, app.model.runs, vscode.l10n.t('Which run?'));
  if (run) await vscode.window.showTextDocument(vscode.Uri.file(run.folder.trainerLog), { preview: true });
}

export async function exportReport(app: App, given: unknown, selected: unknown): Promise<void> {
  const runs = await manyRuns(app, given, selected, vscode.l10n.t('Which runs should be reported?'));
  if (runs.length === 0) return;
  const { writeReport } = await import('./writeReport.ts');
  await writeReport(
    app.model,
    runs.map(({ id }) => id),
  );
}
