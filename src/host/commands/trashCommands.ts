/** Deleting runs, with undo; what lies in the trash comes back or goes for good. */
import * as vscode from 'vscode';
import type { Store } from '../../runs/store.ts';
import type { App } from '../app.ts';
import { requireTrust } from '../runs/runService.ts';
import type { RunEntry } from '../runs/runsModel.ts';
import { runLabel, sizeWords } from '../runs/runWords.ts';
import { showError } from '../userMessages.ts';
import { manyRuns } from './chosenRuns.ts';

const { t } = vscode.l10n;

export async function deleteRuns(app: App, given: unknown, selected: unknown): Promise<void> {
  const runs = await manyRuns(app, given, selected, t('Which runs should be deleted?'));
  if (runs.length === 0) return;
  requireTrust();
  const { trashRun } = await import('../../runs/trash.ts');
  const deleted: RunEntry[] = [];
  try {
    for (const run of runs) {
      await trashRun(run.store, run.folder);
      deleted.push(run);
    }
  } finally {
    await app.model.refresh();
    if (deleted.length > 0) void offerUndo(app, deleted);
  }
}

/** The run of that id comes back; without one, those chosen of what lies in the trash of the workspace's stores. */
export async function restoreRuns(app: App, given: unknown): Promise<void> {
  requireTrust();
  const { trashedRuns } = await import('../../runs/trash.ts');
  const items: (vscode.QuickPickItem & { store: Store; id: string })[] = [];
  for (const store of app.model.stores) {
    for (const { id, bytes } of await trashedRuns(store)) {
      items.push({ label: id, description: sizeWords(bytes), detail: store.root, store, id });
    }
  }
  if (typeof given === 'string') {
    const wanted = items.filter(({ id }) => id === given);
    if (wanted.length === 0) throw new Error(t('The trash does not hold the run {0}.', given));
    return restore(app, wanted);
  }
  if (items.length === 0) return void vscode.window.showInformationMessage(t('The trash is empty.'));
  const title = t('Which runs should come back?');
  const chosen = await vscode.window.showQuickPick(items, { title, canPickMany: true, matchOnDetail: true });
  await restore(app, chosen ?? []);
}

export async function emptyTrash(app: App): Promise<void> {
  requireTrust();
  const trash = await import('../../runs/trash.ts');
  const lists = await Promise.all(app.model.stores.map(trash.trashedRuns));
  const runs = lists.flat();
  if (runs.length === 0) return void vscode.window.showInformationMessage(t('The trash is empty.'));
  const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
  const remove = t('Delete for Good');
  const question = t('Delete {0} runs for good? {1} become free.', runs.length, sizeWords(bytes));
  const answer = await vscode.window.showWarningMessage(question, { modal: true }, remove);
  if (answer === remove) for (const store of app.model.stores) await trash.emptyTrash(store);
}

async function offerUndo(app: App, runs: readonly RunEntry[]): Promise<void> {
  const undo = t('Undo');
  const [first] = runs;
  const words =
    runs.length === 1 && first
      ? t('{0} is in the trash.', runLabel(first))
      : t('{0} runs are in the trash.', runs.length);
  if ((await vscode.window.showInformationMessage(words, undo)) !== undo) return;
  await restore(app, runs).catch(error => showError(error, app.log));
}

async function restore(app: App, runs: readonly { store: Store; id: string }[]): Promise<void> {
  const { restoreRun } = await import('../../runs/trash.ts');
  try {
    for (const { store, id } of runs) await restoreRun(store, id);
  } finally {
    await app.model.refresh();
  }
}
