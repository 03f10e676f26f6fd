/** Shows the program that a recipe would start, and asks. A recipe may have come with a repository. */
import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { shownCommand } from '../../domain/shownCommand.ts';

/** The command when it may be started, word for word as it was shown; `null` when not. */
export async function agreeToCommand(command: string[], recipeFile: string): Promise<string[] | null> {
  const start = vscode.l10n.t('Start Program');
  const question = vscode.l10n.t('This recipe starts a program of its own. Start it?');
  const detail = vscode.l10n.t('{0}\n\nin {1}', shownCommand(command), dirname(recipeFile));
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, start)) === start ? command : null;
}
