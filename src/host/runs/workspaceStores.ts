/** Which stores this window looks at. Knows nothing of what is in them. */
import * as vscode from 'vscode';
import { findStore, type Store, storeOf } from '../../runs/store.ts';
import { isRecipeUri } from '../recipe/recipeDocuments.ts';
import { readSettings } from '../settings.ts';

/** Stores of the workspace's folders and of recipes that are open from elsewhere. */
export function storesOfWorkspace(): Store[] {
  const { runsFolder } = readSettings();
  const recipes = vscode.workspace.textDocuments.filter(({ uri }) => isRecipeUri(uri));
  return [
    ...storesOf(vscode.workspace.workspaceFolders ?? []),
    ...recipes.map(({ uri }) => findStore(uri.fsPath, { runsFolder })),
  ];
}

export function storesOf(folders: readonly vscode.WorkspaceFolder[]): Store[] {
  const { runsFolder } = readSettings();
  return folders.filter(({ uri }) => uri.scheme === 'file').map(({ uri }) => storeOf(uri.fsPath, { runsFolder }));
}
