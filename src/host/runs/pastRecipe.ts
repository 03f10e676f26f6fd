/** The text that a run was made of, as a document that cannot be edited: for reading and for comparing with the file. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { RunEntry, RunsModel } from './runsModel.ts';

const scheme = 'holdfast-run';

export function pastRecipeUri(run: RunEntry): vscode.Uri {
  return vscode.Uri.from({ scheme, path: `/${run.id}/${basename(run.recipeFile)}` });
}

export function registerPastRecipes(model: RunsModel): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(scheme, {
    provideTextDocumentContent: async ({ path }) => {
      const request = await model.get(path.split('/')[1] ?? '')?.folder.request();
      return request?.recipeText ?? '';
    },
  });
}
