/** Which runs a command is about: the row or rows it was given, the selected ones, the only candidate, or a choice. */
import * as vscode from 'vscode';
import type { App } from '../app.ts';
import { pickRun, pickRuns } from '../runs/pickRun.ts';
import type { RunEntry } from '../runs/runsModel.ts';

export async function oneRun(
  app: App,
  given: unknown,
  candidates: readonly RunEntry[],
  title: string,
): Promise<RunEntry | undefined> {
  const id = runIdIn(given);
  if (id !== undefined) {
    const run = app.model.get(id);
    if (!run) throw new Error(vscode.l10n.t('The run {0} is no longer there.', id));
    return run;
  }
  const [only, ...more] = runsIn(app, given, undefined);
  if (only && more.length === 0 && candidates.includes(only)) return only;
  return pickRun(candidates, title);
}

export async function manyRuns(app: App, given: unknown, selected: unknown, title: string): Promise<RunEntry[]> {
  const runs = runsIn(app, given, selected);
  return runs.length > 0 ? runs : pickRuns(app.model, title);
}

/** All selected rows when the editor names them, as it does for the row that was clicked and those beside it. */
export function runsIn(app: App, given: unknown, selected: unknown): RunEntry[] {
  const listed = Array.isArray(selected) ? selected : Array.isArray(given) ? given : [given];
  const ids = given === undefined ? app.selectedRuns() : listed.map(runIdIn).filter(id => id !== undefined);
  return [...new Set(ids)].map(id => app.model.get(id)).filter(run => run !== undefined);
}

/** Of a row of a run or of one of its checkpoints, or the id itself. */
export function runIdIn(given: unknown): string | undefined {
  if (typeof given === 'string') return given;
  if (typeof given !== 'object' || given === null || !('kind' in given) || !('id' in given)) return undefined;
  if (given.kind === 'checkpoint' && 'run' in given) return String(given.run);
  return given.kind === 'run' ? String(given.id) : undefined;
}
