/** Notes are plain Markdown files beside the runs: whoever saves one tells all lists, so that it is found by its words. */
import * as vscode from 'vscode';
import type { RunsModel } from './runsModel.ts';

export function watchNotes(model: RunsModel): vscode.Disposable {
  return vscode.workspace.onDidSaveTextDocument(async ({ uri }) => {
    const run = model.runs.find(({ folder }) => folder.notes === uri.fsPath);
    if (run && vscode.workspace.isTrusted) await run.store.announce();
  });
}
