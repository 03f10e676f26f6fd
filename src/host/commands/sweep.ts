/** The command Sweep: every combination of the values that a recipe lists, queued as one group and compared. */
import * as vscode from 'vscode';
import type { App } from '../app.ts';
import { recipeOf } from './recipeOf.ts';

/** More runs than these are worth a question. */
const mostUnasked = 8;

export async function sweep(app: App, given: unknown): Promise<string[]> {
  const recipe = await recipeOf(given);
  if (!recipe) return [];
  const arms = await app.service.sweepArms(recipe);
  if (arms.length > mostUnasked && !(await isWanted(arms.map(({ variant }) => variant)))) return [];
  const { runs } = await app.service.startArms(recipe, 'sweep', arms);
  await app.model.refresh();
  const ids = runs.map(({ id }) => id);
  app.panels.compare(ids);
  return ids;
}

async function isWanted(labels: string[]): Promise<boolean> {
  const { t } = vscode.l10n;
  const queue = t('Queue {0} Runs', labels.length);
  const shown = labels.length > 12 ? [...labels.slice(0, 10), '…', labels.at(-1)] : labels;
  const question = t('The sweep makes {0} runs, one after the other.', labels.length);
  return (
    (await vscode.window.showInformationMessage(question, { modal: true, detail: shown.join('\n') }, queue)) === queue
  );
}
