/** A run once more: straight away when nothing has changed since, else after one question that says what has. */
import * as vscode from 'vscode';
import { engineVersion } from '../../runs/engineFolder.ts';
import { asItIs, asItRan, type ChangesSince, changesSince, refuseForeign } from '../../runs/rerun.ts';
import { RunsError } from '../../runs/runsError.ts';
import type { App } from '../app.ts';
import { pastRecipeUri } from '../runs/pastRecipe.ts';
import type { RunEntry } from '../runs/runsModel.ts';

const { t } = vscode.l10n;

/** The new run's id; `undefined` when the user thought better of it. */
export async function rerun(app: App, run: RunEntry): Promise<string | undefined> {
  const request = await run.folder.request();
  if (!request) throw new RunsError('unknown-run', t('The run {0} is no longer there.', run.id));
  await refuseForeign(run.store, request);
  const changes = await changesSince(run.folder, request, engineVersion(app.extension.fsPath));
  const choice = await ask(run, changes);
  if (!choice) return undefined;
  const again =
    choice === 'now' && changes.recipeText !== null ? asItIs(request, changes.recipeText) : asItRan(request);
  return app.service.startAgain(again);
}

async function ask(run: RunEntry, changes: ChangesSince): Promise<'then' | 'now' | undefined> {
  const { isRecipeChanged, recipeText, data, engine } = changes;
  const files = data.length > 0 && t('Changed or gone since: {0}.', data.join(', '));
  const program = engine && t('It ran with Holdfast {0}, now it is {1}.', engine.before, engine.now);
  const detail = [files, program].filter(Boolean).join('\n');
  if (!isRecipeChanged && !detail) return 'then';
  if (!isRecipeChanged || recipeText === null) {
    const start = t('Start');
    const gone = isRecipeChanged ? t('The recipe file is gone; the run keeps its text.') : '';
    const options = { modal: true, detail: [gone, detail].filter(Boolean).join('\n') };
    const question = t('Start {0} again? Not all is as it was.', run.name);
    return (await vscode.window.showInformationMessage(question, options, start)) === start ? 'then' : undefined;
  }
  const [now, then, difference] = [t('As It Is Now'), t('As It Ran'), t('Show Difference')];
  const question = t('The recipe of {0} has changed since. Which one should run?', run.name);
  const answer = await vscode.window.showInformationMessage(question, { modal: true, detail }, now, then, difference);
  if (answer === difference) {
    const title = t('{0}: as it ran ↔ as it is', run.recipe);
    await vscode.commands.executeCommand('vscode.diff', pastRecipeUri(run), vscode.Uri.file(run.recipeFile), title);
  }
  return answer === now ? 'now' : answer === then ? 'then' : undefined;
}
