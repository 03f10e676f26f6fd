/** Asks which run, or which runs, where a command was not told. */
import * as vscode from 'vscode';
import type { RunEntry, RunsModel } from './runsModel.ts';
import { runDescription, runIcon, runLabel } from './runWords.ts';

interface RunItem extends vscode.QuickPickItem {
  entry: RunEntry;
}

export async function pickRun(runs: readonly RunEntry[], title: string): Promise<RunEntry | undefined> {
  if (runs.length <= 1) return runs[0] ?? nothing();
  return (await vscode.window.showQuickPick(runs.map(itemOf), { title, matchOnDescription: true }))?.entry;
}

/** `picked` are chosen already. */
export async function pickRuns(model: RunsModel, title: string, picked: readonly string[] = []): Promise<RunEntry[]> {
  if (model.runs.length === 0) return [nothing()].filter(entry => entry !== undefined);
  const options = { title, canPickMany: true, matchOnDescription: true } as const;
  const items = model.runs.map(run => ({ ...itemOf(run), picked: picked.includes(run.id) }));
  return (await vscode.window.showQuickPick(items, options))?.map(({ entry }) => entry) ?? [];
}

function itemOf(entry: RunEntry): RunItem {
  return {
    label: `$(${runIcon(entry).id}) ${runLabel(entry)}`,
    description: runDescription(entry),
    detail: entry.id,
    entry,
  };
}

function nothing(): undefined {
  void vscode.window.showInformationMessage(vscode.l10n.t('There are no runs yet.'));
  return undefined;
}
