/** Frees the disk of checkpoints of runs that are over: a rule, what it would remove, and a yes. */
import * as vscode from 'vscode';
import type { Cleaning, KeepRule } from '../../runs/cleanRun.ts';
import type { App } from '../app.ts';
import { requireTrust } from '../runs/runService.ts';
import { isLive, type RunEntry } from '../runs/runsModel.ts';
import { sizeWords } from '../runs/runWords.ts';

const { t } = vscode.l10n;

/** `chosen` are the selected runs; without any, all that are over. */
export async function cleanRuns(app: App, chosen: readonly RunEntry[]): Promise<void> {
  requireTrust();
  const runs = (chosen.length > 0 ? chosen : app.model.runs).filter(run => !isLive(run) && run.checkpoints.length > 1);
  if (runs.length === 0) return void vscode.window.showInformationMessage(t('No run has more checkpoints than one.'));
  const rule = await askRule(runs.length);
  if (!rule) return;
  const { clean, planCleaning } = await import('../../runs/cleanRun.ts');
  const plans: { plan: Cleaning; run: RunEntry }[] = [];
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: t('Checking checkpoints'),
    cancellable: true,
  };
  await vscode.window.withProgress(options, async (_, cancelled) => {
    for (const run of runs) {
      if (cancelled.isCancellationRequested) return;
      plans.push({ plan: await planCleaning(run.folder, rule), run });
    }
  });
  if (plans.length < runs.length || !(await confirm(plans.map(({ plan }) => plan)))) return;
  try {
    for (const { plan, run } of plans) await clean(run.store, plan);
  } finally {
    await app.model.refresh();
  }
}

async function askRule(count: number): Promise<KeepRule | undefined> {
  const rules: (vscode.QuickPickItem & { rule: KeepRule | 'every' })[] = [
    { label: t('Best and last'), rule: { keep: ['best', 'last'] } },
    { label: t('Last'), rule: { keep: ['last'] } },
    { label: t('Best, last and every N steps…'), rule: 'every' },
    { label: t('Last; those you asked for go too'), rule: { keep: ['last'], withAsked: true } },
  ];
  const title = count === 1 ? t('Which checkpoints stay?') : t('Which checkpoints of {0} runs stay?', count);
  const chosen = await vscode.window.showQuickPick(rules, { title });
  if (chosen?.rule !== 'every') return chosen?.rule;
  const isSteps = (text: string) => /^[1-9]\d{0,8}$/.test(text.trim());
  const steps = await vscode.window.showInputBox({
    title,
    prompt: t('Checkpoints whose step is a multiple of this stay.'),
    validateInput: text => (isSteps(text) ? undefined : t('A whole number above 0')),
  });
  return steps === undefined ? undefined : { keep: ['best', 'last'], keepEvery: Number(steps) };
}

async function confirm(plans: readonly Cleaning[]): Promise<boolean> {
  const goes = plans.flatMap(plan => plan.goes);
  if (goes.length === 0) {
    void vscode.window.showInformationMessage(t('Nothing to remove: all checkpoints stay by this rule.'));
    return false;
  }
  const bytes = goes.reduce((sum, checkpoint) => sum + checkpoint.bytes, 0);
  const remove = t('Remove');
  const question = t('Remove {0} checkpoints for good? {1} become free.', goes.length, sizeWords(bytes));
  const detail = t(
    'Of each run, the newest checkpoint that can be read and the one it would go on from stay in any case.',
  );
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, remove)) === remove;
}
