/** What a lens with dots leads to: the quick fix that gives a variant what it lacks. */
import { dirname, relative, sep } from 'node:path';
import * as vscode from 'vscode';
import { parseRecipe } from '../../recipe/parse.ts';
import { addReplay } from '../recipe/recipeEdits.ts';

const mostFiles = 200;

export async function addMissing(recipe: unknown, variant: unknown): Promise<void> {
  if (!(recipe instanceof vscode.Uri)) return;
  const document = await vscode.workspace.openTextDocument(recipe);
  if (variant === 'replay') return addReplayData(document);
  const text = vscode.l10n.t(
    'Narrow tuning would leave no adapter: name some of adapter.target_modules under method.narrow.tune.',
  );
  await vscode.window.showInformationMessage(text);
}

async function addReplayData(document: vscode.TextDocument): Promise<void> {
  const files = await candidates(document);
  const write = { label: `$(edit) ${vscode.l10n.t('Write the path myself')}`, file: undefined };
  const chosen = await vscode.window.showQuickPick([...files.map(file => ({ label: file, file })), write], {
    title: vscode.l10n.t('Replay needs rows of the old kind. Which file holds them?'),
    placeHolder: vscode.l10n.t('Probe files and task rows are left out'),
  });
  if (!chosen) return;
  await vscode.workspace.applyEdit(addReplay(document, chosen.file));
  const { rangeOf } = parseRecipe(document.getText());
  const at = rangeOf(['method', 'replay', 'data'], 'value');
  const editor = await vscode.window.showTextDocument(document);
  if (at) editor.selection = new vscode.Selection(at.line - 1, at.column - 1, at.endLine - 1, at.endColumn - 1);
}

/** Text files near the recipe that it does not use for anything else. */
async function candidates(document: vscode.TextDocument): Promise<string[]> {
  const folder = dirname(document.uri.fsPath);
  const { recipe } = parseRecipe(document.getText());
  const evals = recipe?.data.eval ?? [];
  const used = new Set([
    recipe?.data.train,
    ...(typeof evals === 'string' ? [evals] : Object.values(evals)),
    ...Object.values(recipe?.retain?.probes ?? {}).map(({ file }) => file),
  ]);
  const near = new vscode.RelativePattern(folder, '**/*.{txt,jsonl}');
  const found = await vscode.workspace.findFiles(near, '**/{node_modules,.holdfast,models}/**', mostFiles);
  const paths = found.map(uri => relative(folder, uri.fsPath).split(sep).join('/'));
  return paths.filter(path => !used.has(path)).sort();
}
