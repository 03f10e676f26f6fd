/**
 * Runs whose runner is gone, as after a restart of the machine or a kill: asks whether they should go on, of each attempt once.
 */
import * as vscode from 'vscode';
import type { RunEntry } from './runsModel.ts';
import { runLabel } from './runWords.ts';

/** Attempts that were asked for already, in the workspace's memory. */
const askedKey = 'holdfast.askedToResume';
const mostKept = 200;

/** One that died under this window's eyes, or before it opened. */
export const isLeftAlone = ({ status, foreign, hidden }: RunEntry): boolean =>
  status === 'lost' && !foreign && !hidden && vscode.workspace.isTrusted;

export async function askForLeftAlone(runs: readonly RunEntry[], memory: vscode.Memento): Promise<void> {
  const asked = memory.get<string[]>(askedKey, []);
  const left: RunEntry[] = [];
  const attempts: string[] = [];
  for (const run of runs.filter(isLeftAlone).slice(0, mostKept)) {
    const attempt = `${run.id} ${(await run.folder.process().catch(() => null))?.attempt ?? 1}`;
    if (asked.includes(attempt)) continue;
    left.push(run);
    attempts.push(attempt);
  }
  const [newest] = left;
  if (!newest) return;
  await memory.update(askedKey, [...attempts, ...asked].slice(0, mostKept));
  const resume = vscode.l10n.t('Resume');
  const text =
    left.length === 1
      ? vscode.l10n.t('{0} was left at step {1}: its runner is gone.', runLabel(newest), newest.step)
      : vscode.l10n.t('{0} runs were left by a runner that is gone.', left.length);
  if ((await vscode.window.showWarningMessage(text, resume)) !== resume) return;
  for (const { id } of left.toReversed()) await vscode.commands.executeCommand('holdfast.resumeRun', id);
}
