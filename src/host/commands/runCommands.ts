/** The commands about runs: start, compare, check, stop, look. Each is short; what it does lies elsewhere. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { VariantName } from '../../recipe/schema.ts';
import type { App } from '../app.ts';
import { pastRecipeUri } from '../runs/pastRecipe.ts';
import { pickRun, pickRuns } from '../runs/pickRun.ts';
import { isLive, type RunEntry } from '../runs/runsModel.ts';
import { openAt } from '../userMessages.ts';
import { recipeOf } from './recipeOf.ts';

/** Starts and shows the run beside the recipe; the run's id, for whoever asked. */
export async function start(app: App, variant: VariantName, given: unknown): Promise<string | undefined> {
  const recipe = await recipeOf(given);
  if (!recipe) return undefined;
  const { runs } = await app.service.start(recipe, variant);
  await app.model.refresh();
  const id = runs[0]?.id;
  if (id) app.panels.showRun(id);
  return id;
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

/** The run again, as its recipe stands now. */
export async function startAgain(app: App, given: unknown): Promise<string | undefined> {
  const run = await runOf(app, given, app.model.runs, vscode.l10n.t('Which run?'));
  if (!run) return undefined;
  const variants: readonly string[] = ['plain', 'replay', 'regularized', 'narrow'];
  const variant = variants.includes(run.variant) ? (run.variant as VariantName) : 'as-written';
  return start(app, variant, vscode.Uri.file(run.recipeFile));
}

export async function stop(app: App, given: unknown): Promise<void> {
  const live = app.model.runs.filter(isLive);
  const run = await runOf(app, given, live, vscode.l10n.t('Which run should stop?'));
  if (run) await app.service.stop(run.folder);
}

export async function showRun(app: App, given: unknown): Promise<void> {
  const run = await runOf(app, given, app.model.runs, vscode.l10n.t('Which run?'));
  if (run) app.panels.showRun(run.id);
}

export async function compareSelected(app: App, given: unknown, selected: unknown): Promise<void> {
  const listed = Array.isArray(selected) ? selected : Array.isArray(given) ? given : app.selectedRuns();
  let ids = listed.map(idOf).filter(id => id !== undefined);
  if (ids.length < 2) {
    const chosen = await pickRuns(app.model, vscode.l10n.t('Which runs should be compared?'));
    ids = chosen.map(({ id }) => id);
  }
  if (ids.length > 0) app.panels.compare(ids);
}

/** The recipe's file where it still says what the run was made of, else both beside each other. */
export async function openRunRecipe(app: App, given: unknown, line: unknown): Promise<void> {
  const run = await runOf(app, given, app.model.runs, vscode.l10n.t('Which run?'));
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
  const run = await runOf(app, given, app.model.runs, vscode.l10n.t('Which run?'));
  if (run) await vscode.commands.executeCommand('revealFileInOS', vscode.Uri.file(run.folder.folder));
}

export async function openLog(app: App, given: unknown): Promise<void> {
  const run = await runOf(app, given, app.model.runs, vscode.l10n.t('Which run?'));
  if (run) await vscode.window.showTextDocument(vscode.Uri.file(run.folder.trainerLog), { preview: true });
}

export async function exportReport(app: App, given: unknown, selected: unknown): Promise<void> {
  const listed = Array.isArray(selected) ? selected : Array.isArray(given) ? given : given === undefined ? [] : [given];
  const ids = listed.map(idOf).filter(id => id !== undefined);
  const runs =
    ids.length > 0
      ? ids
      : (await pickRuns(app.model, vscode.l10n.t('Which runs should be reported?'))).map(({ id }) => id);
  if (runs.length === 0) return;
  const { writeReport } = await import('./writeReport.ts');
  await writeReport(app.model, runs);
}

/** A row of the tree, an id, or nothing: then the selected row, the only candidate, or a choice. */
async function runOf(
  app: App,
  given: unknown,
  candidates: readonly RunEntry[],
  title: string,
): Promise<RunEntry | undefined> {
  const id = idOf(given);
  if (id !== undefined) {
    const run = app.model.get(id);
    if (!run) throw new Error(vscode.l10n.t('The run {0} is no longer there.', id));
    return run;
  }
  const selected = app.selectedRuns();
  const [only] = selected;
  if (only && selected.length === 1 && candidates.some(run => run.id === only)) return app.model.get(only);
  return pickRun(candidates, title);
}

function idOf(given: unknown): string | undefined {
  if (typeof given === 'string') return given;
  if (typeof given !== 'object' || given === null || !('kind' in given) || !('id' in given)) return undefined;
  if (given.kind === 'checkpoint' && 'run' in given) return String(given.run);
  return given.kind === 'run' ? String(given.id) : undefined;
}
