/** Which recipe a command means: the one it was given, the one in front, or one of the workspace by choice. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import { isRecipe, isRecipeUri } from '../recipe/recipeDocuments.ts';
import type { RecipeText } from '../runs/runService.ts';

const mostRecipes = 500;

/** The text as it stands in the editor, saved first: what runs is what the file says. */
export async function recipeOf(given: unknown): Promise<RecipeText | undefined> {
  const uri = given instanceof vscode.Uri ? given : await chooseRecipe();
  if (!uri) return undefined;
  const document = await vscode.workspace.openTextDocument(uri);
  if (document.isDirty && !(await document.save())) {
    throw new Error(vscode.l10n.t('{0} could not be saved', basename(uri.fsPath)));
  }
  return { file: uri.fsPath, text: document.getText() };
}

async function chooseRecipe(): Promise<vscode.Uri | undefined> {
  const active = vscode.window.activeTextEditor?.document;
  if (isRecipe(active)) return active.uri;
  const visible = vscode.window.visibleTextEditors.filter(({ document }) => isRecipe(document));
  if (visible.length === 1) return visible[0]?.document.uri;
  const found = (await vscode.workspace.findFiles('**/*.tune.{yaml,yml}', '**/node_modules/**', mostRecipes)).filter(
    isRecipeUri,
  );
  if (found.length <= 1) return found[0] ?? (await offerNew());
  const items = found.map(uri => ({
    label: basename(uri.fsPath),
    description: vscode.workspace.asRelativePath(uri),
    uri,
  }));
  return (await vscode.window.showQuickPick(items, { title: vscode.l10n.t('Which recipe?'), matchOnDescription: true }))
    ?.uri;
}

async function offerNew(): Promise<undefined> {
  const example = vscode.l10n.t('Open Example…');
  const fresh = vscode.l10n.t('New Recipe');
  const text = vscode.l10n.t('There is no recipe in this workspace yet.');
  const chosen = await vscode.window.showInformationMessage(text, fresh, example);
  if (chosen === fresh) await vscode.commands.executeCommand('holdfast.newRecipe');
  if (chosen === example) await vscode.commands.executeCommand('holdfast.openExample');
}
