/** What pages may ask for. Each is a command of the extension; a page gives an id, never a path. */
import * as vscode from 'vscode';
import type { PageCommand } from './pageChannel.ts';

export const pageCommands = {
  stop: 'holdfast.stop',
  pause: 'holdfast.pauseRun',
  checkpoint: 'holdfast.saveCheckpoint',
  resume: 'holdfast.resumeRun',
  fork: 'holdfast.forkRun',
  openRecipe: 'holdfast.openRunRecipe',
  revealFolder: 'holdfast.revealRunFolder',
  openLog: 'holdfast.openLog',
  compareWith: 'holdfast.compareSelected',
  openRun: 'holdfast.showRun',
  start: 'holdfast.rerun',
  exportReport: 'holdfast.exportReport',
  restore: 'holdfast.restoreRuns',
} as const satisfies Record<PageCommand['command'], string>;

/** `shown` are the runs of the page: it may speak of no others, but may open any. */
export async function obeyPage({ command, run, line }: PageCommand, shown: readonly string[]): Promise<void> {
  const id = run ?? shown[0];
  if (command !== 'openRun' && id !== undefined && !shown.includes(id)) {
    throw new Error(vscode.l10n.t('This page does not show the run {0}.', id));
  }
  // Without an id a command would take what is selected elsewhere.
  if (id === undefined && command !== 'compareWith') throw new Error(vscode.l10n.t('This page shows no run.'));
  if (command === 'exportReport') await vscode.commands.executeCommand(pageCommands.exportReport, run ? [run] : shown);
  else await vscode.commands.executeCommand(pageCommands[command], id, line);
}
