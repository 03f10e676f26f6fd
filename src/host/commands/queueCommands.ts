/** What can be done with the queue: another order, taking runs out, holding it, what an error does. */
import * as vscode from 'vscode';
import type { Queue } from '../../runs/queue.ts';
import type { Store } from '../../runs/store.ts';
import type { App } from '../app.ts';
import { requireTrust } from '../runs/runService.ts';
import type { RunEntry } from '../runs/runsModel.ts';
import { runDescription, runIcon, runLabel } from '../runs/runWords.ts';

const { t } = vscode.l10n;

export type Place = 'first' | 'last' | { to: RunEntry };

/** Runs of another store than that of the place stay where they are: each store has a queue of its own. */
export async function move(app: App, runs: readonly RunEntry[], place: Place): Promise<void> {
  requireTrust();
  const { moveRuns, runNext, takePlace } = await import('../../runs/queue.ts');
  for (const [store, ids] of byStore(runs)) {
    if (place === 'first') await runNext(store, ids);
    else if (place === 'last') await moveRuns(store, ids, null);
    else if (store.folder === place.to.store.folder) await takePlace(store, ids, place.to.id);
  }
  await app.queues.refresh();
}

export async function runNext(app: App, given: unknown, selected: unknown): Promise<void> {
  const runs = await waitingRuns(app, given, selected, t('Which run should be next?'));
  if (runs.length > 0) await move(app, runs, 'first');
}

/** One place up or down: what dragging does, from the keyboard. */
export const shift = (by: -1 | 1) => async (app: App, given: unknown, selected: unknown) => {
  const [run] = await waitingRuns(app, given, selected, t('Which run should be moved?'));
  if (!run) return;
  const queue = app.queues.sorted(queued(app).filter(({ store }) => store.folder === run.store.folder));
  const neighbour = queue[queue.findIndex(({ id }) => id === run.id) + by];
  if (neighbour) await move(app, [run], { to: neighbour });
};

export async function cancelQueued(app: App, given: unknown, selected: unknown): Promise<void> {
  const runs = await waitingRuns(app, given, selected, t('Which runs should not start?'));
  for (const run of runs) await app.service.stop(run);
  await app.model.refresh();
}

export async function hold(app: App): Promise<void> {
  const { holdQueue } = await import('../../runs/queue.ts');
  await change(app, store => holdQueue(store, t('held by the user')));
}

export async function release(app: App): Promise<void> {
  const { releaseQueue } = await import('../../runs/queue.ts');
  await change(app, releaseQueue);
  for (const store of storesOf(app)) await app.service.serve(store);
}

export const onError = (mode: Queue['onError']) => async (app: App) => {
  const { setOnError } = await import('../../runs/queue.ts');
  await change(app, store => setOnError(store, mode));
};

async function change(app: App, how: (store: Store) => Promise<Queue>): Promise<void> {
  requireTrust();
  for (const store of storesOf(app)) await how(store);
  await app.queues.refresh();
}

/** Those in which something waits; where nothing does, all. */
function storesOf(app: App): Store[] {
  const waiting = [...byStore(queued(app)).keys()];
  return waiting.length > 0 ? waiting : app.model.stores;
}

const queued = (app: App): RunEntry[] => app.model.runs.filter(({ status }) => status === 'queued');

function byStore(runs: readonly RunEntry[]): Map<Store, string[]> {
  const stores = new Map<string, Store>();
  const ids = new Map<Store, string[]>();
  for (const { id, store } of runs) {
    const known = stores.get(store.folder) ?? store;
    stores.set(store.folder, known);
    ids.set(known, [...(ids.get(known) ?? []), id]);
  }
  return ids;
}

/** The rows given, those selected, or a choice; only runs that wait. */
async function waitingRuns(app: App, given: unknown, selected: unknown, title: string): Promise<RunEntry[]> {
  const rows = Array.isArray(selected) ? selected : given === undefined ? app.selectedRuns() : [given];
  const ids = rows.map(row => (typeof row === 'object' && row !== null && 'id' in row ? String(row.id) : String(row)));
  const waiting = app.queues.sorted(queued(app));
  const chosen = waiting.filter(({ id }) => ids.includes(id));
  if (chosen.length > 0) return chosen;
  if (waiting.length === 0) {
    void vscode.window.showInformationMessage(t('Nothing waits in the queue.'));
    return [];
  }
  const items = waiting.map(run => ({
    label: `$(${runIcon(run).id}) ${runLabel(run)}`,
    description: runDescription(run),
    detail: run.id,
    run,
  }));
  const picked = await vscode.window.showQuickPick(items, { title, canPickMany: true, matchOnDescription: true });
  return picked?.map(({ run }) => run) ?? [];
}
