/** Runs whose runner is gone, as after a restart of the machine: asks once whether they should go on. */
import * as vscode from 'vscode';
import type { RunEntry } from './runsModel.ts';
import { runLabel } from './runWords.ts';

/** Ids of runs that were asked for already, in the workspace's memory. */
const askedKey = 'holdfast.askedToResume';
const mostKept = 200;

export async function askForLeftAlone(runs: readonly RunEntry[], memory: vscode.Memento): Promise<void> {
  if (!vscode.workspace.isTrusted) return;
  const asked = memory.get<string[]>(askedKey, []);
  const left = runs.filter(run => run.status === 'lost' && !run.foreign && !run.hidden && !asked.includes(run.id));
  const [newest] = left;
  if (!newest) return;
  await memory.update(askedKey, [...left.map(({ id }) => id), ...asked].slice(0, mostKept));
  const resume = vscode.l10n.t('Resume');
  const text =
    left.length === 1
      ? vscode.l10n.t('{0} was left at step {1}: its runner is gone.', runLabel(newest), newest.step)
      : vscode.l10n.t('{0} runs were left by a runner that is gone.', left.length);
  if ((await vscode.window.showWarningMessage(text, resume)) !== resume) return;
  for (const { id } of left.toReversed()) await vscode.commands.executeCommand('holdfast.resumeRun', id);
}
