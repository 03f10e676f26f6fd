/** One notification when a run ends: the verdict in words, and a way to look at it. */
import * as vscode from 'vscode';
import { readSettings } from '../settings.ts';
import type { RunEntry } from './runsModel.ts';
import { runLabel, statusWords, verdictWords } from './runWords.ts';

export async function notifyEnd(run: RunEntry): Promise<void> {
  const level = readSettings().notifications;
  const isProblem = run.status === 'failed' || run.status === 'lost' || run.verdict === 'forgot';
  if (level === 'none' || (level === 'problems' && !isProblem)) return;
  const open = vscode.l10n.t('Open');
  const text = [`${runLabel(run)}: ${statusWords(run)}`, verdictWords(run)].filter(Boolean).join(', ');
  const isFailure = run.status === 'failed' || run.status === 'lost';
  const chosen = isFailure
    ? await vscode.window.showErrorMessage(text, open)
    : await vscode.window.showInformationMessage(text, open);
  if (chosen === open) await vscode.commands.executeCommand('holdfast.showRun', run.id);
}
