/** Going on with a run that is over, as its next attempt or as a fork that may differ; and asking for runs left alone. */
import * as vscode from 'vscode';
import type { Resumed } from '../../runs/resumeRun.ts';
import type { App } from '../app.ts';
import { isLive, type RunEntry } from '../runs/runsModel.ts';
import { runLabel } from '../runs/runWords.ts';
import { oneRun } from './chosenRuns.ts';

const { t } = vscode.l10n;

/** A run that is paused or over, or one of its checkpoints. The run's id when it goes on. */
export async function resumeRun(app: App, given: unknown): Promise<string | undefined> {
  const run = await oneRun(app, given, app.model.runs.filter(canGoOn), t('Which run should go on?'));
  if (!run) return undefined;
  if (run.status === 'paused') {
    await app.service.steer(run.folder, 'resume');
    return run.id;
  }
  const title = t('{0}: its checkpoint is looked at', runLabel(run));
  const from = checkpointOf(given);
  try {
    return await shown(app, run, await busyWith(title, () => app.service.resume(run, { from })));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code !== 'recipe-changed' && !forkable.has(code)) throw error;
    const asItRan = code === 'recipe-changed' ? [t('Go On As It Ran')] : [];
    const { message } = error as Error;
    const chosen = await vscode.window.showWarningMessage(message, { modal: false }, ...asItRan, t('Fork…'));
    if (chosen === t('Fork…')) return forkRun(app, given);
    if (chosen === undefined) return undefined;
    return shown(app, run, await busyWith(title, () => app.service.resume(run, { from, asItRan: true })));
  }
}

/** It would not be the same run, or there is nothing left to do in it: a fork is what is wanted. */
const forkable: ReadonlySet<string> = new Set(['checkpoint-mismatch', 'numerics-changed', 'run-finished']);

export async function forkRun(app: App, given: unknown): Promise<string | undefined> {
  const saved = app.model.runs.filter(({ checkpoints }) => checkpoints.length > 0);
  const run = await oneRun(app, given, saved, t('Which run should be forked?'));
  if (!run) return undefined;
  const overrides = await askForChanges(run);
  if (!overrides) return undefined;
  const options = { from: checkpointOf(given), overrides };
  const forked = await busyWith(t('{0} is forked', runLabel(run)), () => app.service.fork(run, options));
  return shown(app, run, forked);
}

const canGoOn = (run: RunEntry): boolean =>
  run.status === 'paused' || (!isLive(run) && run.status !== 'finished' && !run.foreign);

/** The settings that differ, as on the command line. `undefined` when given up. */
async function askForChanges(run: RunEntry): Promise<string[] | undefined> {
  const text = await vscode.window.showInputBox({
    title: t('Fork {0}', runLabel(run)),
    prompt: t('What should differ, as key=value, with spaces between. Nothing: the same settings.'),
    value: run.status === 'finished' ? `train.max_steps=${2 * (run.steps ?? run.step)}` : '',
    validateInput: words => words.split(/\s+/).find(word => word !== '' && !/^[\w.-]+=./.test(word)) && t('key=value'),
  });
  return text?.split(/\s+/).filter(word => word !== '');
}

async function shown(app: App, run: RunEntry, resumed: Resumed): Promise<string> {
  for (const { name, damage } of resumed.damaged) {
    void vscode.window.showWarningMessage(
      t('{0}: the checkpoint {1} is passed over: {2}', runLabel(run), name, damage),
    );
  }
  const [newest] = resumed.untold;
  if (newest) {
    const text = t(
      '{0}: the checkpoint {1} is newer and passed over: it was saved when nobody wrote the journal any more, and the curve would have a gap.',
      runLabel(run),
      newest.name,
    );
    void vscode.window.showInformationMessage(text);
  }
  await app.model.refresh();
  app.panels.showRun(resumed.run.id);
  return resumed.run.id;
}

function busyWith<T>(title: string, work: () => Promise<T>): Promise<T> {
  return Promise.resolve(vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title }, work));
}

/** Of a row of the tree. */
function checkpointOf(given: unknown): string | undefined {
  if (typeof given !== 'object' || given === null || !('checkpoint' in given)) return undefined;
  const { checkpoint } = given as { checkpoint: { folder?: unknown } };
  return typeof checkpoint.folder === 'string' ? checkpoint.folder : undefined;
}
