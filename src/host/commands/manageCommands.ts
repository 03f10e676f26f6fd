/** Housekeeping of runs: names, tags, stars, colours, notes, hiding, cleaning up, importing, finding. */
import * as vscode from 'vscode';
import type { RunFolder } from '../../runs/runFolder.ts';
import type { Store } from '../../runs/store.ts';
import { colours, tagOf, type UserChange } from '../../runs/userChoices.ts';
import type { App } from '../app.ts';
import { requireTrust } from '../runs/runService.ts';
import type { RunEntry } from '../runs/runsModel.ts';
import { runLabel } from '../runs/runWords.ts';
import { manyRuns, oneRun, runsIn } from './chosenRuns.ts';

const { t } = vscode.l10n;

export async function renameRun(app: App, given: unknown): Promise<void> {
  const run = await oneRun(app, given, app.model.runs, t('Which run should have another name?'));
  if (!run) return;
  const name = await vscode.window.showInputBox({
    title: t('Name of the Run'),
    value: run.name,
    prompt: t('Empty: the name its recipe gives.'),
    validateInput: text => (text.length > 256 ? t('At most {0} characters', 256) : undefined),
  });
  if (name !== undefined) await change(app, [run], { name: name.trim() || null });
}

/** Tags that runs here have are offered; what is typed becomes one more. */
export async function tagRuns(app: App, given: unknown, selected: unknown): Promise<void> {
  const runs = await manyRuns(app, given, selected, t('Which runs should be tagged?'));
  if (runs.length === 0) return;
  const known = [...new Set(app.model.runs.flatMap(({ tags }) => tags))].sort();
  const had = known.filter(tag => runs.every(({ tags }) => tags.includes(tag)));
  const chosen = await pickTags(known, had);
  if (!chosen) return;
  await change(app, runs, {
    addTags: chosen.filter(tag => !had.includes(tag)),
    removeTags: had.filter(tag => !chosen.includes(tag)),
  });
}

export const setStar = (star: boolean) => async (app: App, given: unknown, selected: unknown) =>
  change(app, await manyRuns(app, given, selected, t('Which runs?')), { star });

export const setHidden = (hidden: boolean) => async (app: App, given: unknown, selected: unknown) =>
  change(app, await manyRuns(app, given, selected, t('Which runs?')), { hidden });

export async function colourRuns(app: App, given: unknown, selected: unknown): Promise<void> {
  const runs = await manyRuns(app, given, selected, t('Which runs should have another colour?'));
  if (runs.length === 0) return;
  const items = Array.from({ length: colours }, (_, colour) => ({
    label: t('Colour {0}', colour + 1),
    iconPath: new vscode.ThemeIcon('circle-filled', new vscode.ThemeColor(`holdfast.series${colour + 1}`)),
    colour: colour as number | null,
  }));
  const none = { label: t('By itself'), description: t('as its turn in the list is'), colour: null };
  const chosen = await vscode.window.showQuickPick([...items, none], { title: t('Colour in Lists and Charts') });
  if (chosen) await change(app, runs, { colour: chosen.colour });
}

/** Markdown in the run's folder, made when it is first opened. */
export async function openNotes(app: App, given: unknown): Promise<void> {
  const run = await oneRun(app, given, app.model.runs, t('Which run?'));
  if (!run) return;
  const { hasNotes, makeNotes } = await import('../../runs/notes.ts');
  if (!hasNotes(run.folder)) {
    requireTrust();
    await makeNotes(run.folder, runLabel(run));
  }
  await vscode.window.showTextDocument(vscode.Uri.file(run.folder.notes), { preview: false });
}

export async function cleanUp(app: App, given: unknown, selected: unknown): Promise<void> {
  const { cleanRuns } = await import('./cleanRuns.ts');
  await cleanRuns(app, runsIn(app, given, selected));
}

export async function importRuns(app: App): Promise<void> {
  requireTrust();
  const store = await chooseStore(app.model.stores);
  if (!store) return;
  const folders = await vscode.window.showOpenDialog({
    title: t('Import Run Folder'),
    openLabel: t('Import'),
    canSelectFiles: false,
    canSelectFolders: true,
    canSelectMany: true,
  });
  if (folders)
    await importFolders(
      app,
      store,
      folders.map(({ fsPath }) => fsPath),
    );
}

async function chooseStore(stores: readonly Store[]): Promise<Store | undefined> {
  const [only, ...more] = stores;
  if (!only) throw new Error(t('Open the folder that the run should be imported into.'));
  if (more.length === 0) return only;
  const items = stores.map(store => ({ label: store.root, store }));
  return (await vscode.window.showQuickPick(items, { title: t('Into which project?') }))?.store;
}

export async function importFolders(app: App, store: Store, folders: readonly string[]): Promise<void> {
  const { importRun } = await import('../../runs/importRun.ts');
  for (const folder of folders) {
    const { run, leftOut } = await importRun(store, folder);
    app.log.info(`Imported ${run.id} from ${folder}`);
    for (const what of leftOut) app.log.warn(`Left out ${what}`);
    if (leftOut.length > 0) {
      void vscode.window.showWarningMessage(
        t('{0} was imported without {1} files that are no part of a run. The log names them.', run.id, leftOut.length),
      );
    }
  }
  await app.model.refresh();
}

/** The list follows what is typed; Escape brings back what was searched before. */
export async function searchRuns(app: App): Promise<void> {
  await vscode.commands.executeCommand('holdfast.runs.focus');
  const box = vscode.window.createInputBox();
  const before = app.tree.query;
  let isKept = false;
  box.title = t('Find Runs');
  box.placeholder = t('Words of name, recipe, variant, status, verdict or notes; #tag; starred');
  box.value = before;
  box.onDidChangeValue(text => {
    app.tree.query = text;
  });
  box.onDidAccept(() => {
    isKept = true;
    box.hide();
  });
  box.onDidHide(() => {
    if (!isKept) app.tree.query = before;
    box.dispose();
  });
  box.show();
}

async function change(app: App, runs: readonly RunEntry[], userChange: UserChange): Promise<void> {
  if (runs.length === 0) return;
  requireTrust();
  const { changeUser } = await import('../../runs/userChoices.ts');
  try {
    for (const [store, folders] of byStore(runs)) await changeUser(store, folders, userChange);
  } finally {
    await app.model.refresh();
  }
}

function byStore(runs: readonly RunEntry[]): Map<Store, RunFolder[]> {
  const stores = new Map<Store, RunFolder[]>();
  for (const { store, folder } of runs) stores.set(store, [...(stores.get(store) ?? []), folder]);
  return stores;
}

function pickTags(known: readonly string[], had: readonly string[]): Promise<string[] | undefined> {
  const pick = vscode.window.createQuickPick();
  pick.title = t('Tags');
  pick.placeholder = t('Choose, or type a new one');
  pick.canSelectMany = true;
  const show = (tags: readonly string[], selected: readonly string[]) => {
    pick.items = tags.map(label => ({ label, alwaysShow: !known.includes(label) || selected.includes(label) }));
    pick.selectedItems = pick.items.filter(({ label }) => selected.includes(label));
  };
  show(known, had);
  pick.onDidChangeValue(text => {
    const typed = tagOf(text);
    const selected = pick.selectedItems.map(({ label }) => label);
    const tags = [...new Set([...known, ...selected, ...(typed ? [typed] : [])])];
    show(tags, selected);
  });
  return new Promise(resolve => {
    pick.onDidAccept(() => {
      const typed = tagOf(pick.value);
      resolve([...new Set([...pick.selectedItems.map(({ label }) => label), ...(typed ? [typed] : [])])]);
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}
