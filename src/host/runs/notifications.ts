/** One notification when a run ends, or when the last run of a comparison does: the verdict, and a way to look at it. */
import * as vscode from 'vscode';
import { readSettings } from '../settings.ts';
import { isLive, type RunEntry, type RunsModel } from './runsModel.ts';
import { runLabel, statusWords, verdictWords } from './runWords.ts';

export async function notifyEnd(run: RunEntry, model: RunsModel): Promise<void> {
  const runs = run.group ? model.runs.filter(({ group }) => group === run.group) : [run];
  if (runs.some(isLive)) return;
  const isFailure = runs.some(({ status }) => status === 'failed' || status === 'lost');
  const rules = await rulesThatStopped(runs);
  const isProblem = isFailure || rules.size > 0 || runs.some(({ verdict }) => verdict === 'forgot');
  const level = readSettings().notifications;
  if (level === 'none' || (level === 'problems' && !isProblem)) return;
  const open = vscode.l10n.t('Open');
  const text = runs.length > 1 ? comparisonWords(runs, rules) : endWords(run, rules.get(run.id));
  const show = isFailure
    ? vscode.window.showErrorMessage
    : isProblem
      ? vscode.window.showWarningMessage
      : vscode.window.showInformationMessage;
  if ((await show<string>(text, open)) !== open) return;
  if (runs.length > 1)
    await vscode.commands.executeCommand(
      'holdfast.compareSelected',
      runs.map(({ id }) => id),
    );
  else await vscode.commands.executeCommand('holdfast.showRun', run.id);
}

/** What waits behind a run that failed starts only when somebody says so. */
export async function notifyHold(id: string, model: RunsModel): Promise<void> {
  if (readSettings().notifications === 'none') return;
  const run = model.get(id);
  const release = vscode.l10n.t('Release Queue');
  const text = vscode.l10n.t('{0} did not end well, so the queue is held.', run ? runLabel(run) : id);
  const chosen = await vscode.window.showWarningMessage(text, release, vscode.l10n.t('Open'));
  if (chosen === release) await vscode.commands.executeCommand('holdfast.releaseQueue');
  else if (chosen) await vscode.commands.executeCommand('holdfast.showRun', id);
}

/** By run: the rule of its recipe that ended it. */
async function rulesThatStopped(runs: readonly RunEntry[]): Promise<Map<string, string>> {
  const stopped = runs.filter(({ status }) => status === 'stopped');
  const exits = await Promise.all(stopped.map(({ folder }) => folder.exit().catch(() => null)));
  return new Map(stopped.flatMap(({ id }, place) => (exits[place]?.stopRule ? [[id, exits[place].stopRule]] : [])));
}

function endWords(run: RunEntry, rule: string | undefined): string {
  const words = rule ? vscode.l10n.t('stopped at step {0} by its rule “{1}”', run.step, rule) : statusWords(run);
  return [`${runLabel(run)}: ${words}`, verdictWords(run)].filter(Boolean).join(', ');
}

/** "support-tone: 6 runs compared. kept: replay; forgot: plain, narrow" */
function comparisonWords(runs: readonly RunEntry[], rules: ReadonlyMap<string, string>): string {
  const outcomes = new Map<string, string[]>();
  for (const { id, verdict, status, variant } of runs.toReversed()) {
    const outcome = rules.has(id) ? vscode.l10n.t('stopped by a rule') : vscode.l10n.t(verdict ?? status);
    outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), variant]);
  }
  const parts = [...outcomes].map(([outcome, variants]) => `${outcome}: ${variants.join(', ')}`);
  return `${vscode.l10n.t('{0}: {1} runs compared', runs[0]?.name ?? '', runs.length)}. ${parts.join('; ')}`;
}
