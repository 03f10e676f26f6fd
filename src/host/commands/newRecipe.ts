/** "New Recipe": a starter with everything a first run needs, as a file of the workspace, opened. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { starterRecipe } from '../../recipe/newRecipe.ts';

export async function newRecipe(): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  if (!folder) {
    // Without a folder there is nothing that paths could be relative to.
    await vscode.window.showTextDocument(
      await vscode.workspace.openTextDocument({ language: 'yaml', content: starterRecipe({ name: 'experiment' }) }),
    );
    return;
  }
  const name = await vscode.window.showInputBox({
    title: vscode.l10n.t('New Recipe'),
    prompt: vscode.l10n.t('Name of the experiment'),
    value: 'experiment',
    validateInput: value => problemOf(folder, value),
  });
  if (!name) return;
  const uri = vscode.Uri.file(join(folder, `${name}.tune.yaml`));
  await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(starterRecipe({ name })));
  await vscode.window.showTextDocument(uri);
}

function problemOf(folder: string, name: string): string | undefined {
  if (!/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) {
    return vscode.l10n.t('Use small letters, digits and "-"; at most 40 characters, the first a letter or a digit.');
  }
  const isTaken = existsSync(join(folder, `${name}.tune.yaml`));
  return isTaken ? vscode.l10n.t('{0} is there already.', `${name}.tune.yaml`) : undefined;
}
