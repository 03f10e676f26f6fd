/** One item while a run lives: step and worst forgetting. A click opens its panel. */
import * as vscode from 'vscode';
import type { RunState } from '../../domain/runState.ts';
import type { LiveRuns } from './liveRuns.ts';
import type { RunsModel } from './runsModel.ts';
import { runLabel, signed, statusWords } from './runWords.ts';

export function registerStatusBar(model: RunsModel, live: LiveRuns): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('holdfast.run', vscode.StatusBarAlignment.Left, 50);
  item.name = vscode.l10n.t('Holdfast Run');
  const show = () => {
    const current = live.current;
    if (!current) return item.hide();
    const { run, lease } = current;
    const forgetting = worstForgetting(lease.run.state);
    const words = [statusWords(run), forgetting && vscode.l10n.t('forgetting {0}', forgetting)].filter(Boolean);
    item.text = `$(${run.status === 'running' ? 'sync~spin' : 'watch'}) ${words.join(' · ')}`;
    item.tooltip = runLabel(run);
    item.command = { command: 'holdfast.showRun', title: vscode.l10n.t('Show Run'), arguments: [run.id] };
    item.accessibilityInformation = { label: `${runLabel(run)}, ${words.join(', ')}` };
    item.show();
  };
  const listener = model.onDidChange(show);
  show();
  return vscode.Disposable.from(item, listener);
}

/** "arithmetic +0.12": the set that lost most at the last evaluation. */
function worstForgetting({ evaluations }: RunState): string {
  const sets = Object.entries(evaluations.newest?.forgetting ?? {});
  const [worst] = sets.sort(([, a], [, b]) => b.value - a.value);
  return worst ? `${worst[0]} ${signed(worst[1].value)}` : '';
}
