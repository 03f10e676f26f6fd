/** What the row Queued says of its queues: held and why, who elsewhere holds them up, and what an error does. */
import * as vscode from 'vscode';
import type { QueueModel } from './queueModel.ts';
import type { RunGroup } from './runGroups.ts';

const { t } = vscode.l10n;

export function describeQueue(item: vscode.TreeItem, group: RunGroup, queues: QueueModel): vscode.TreeItem {
  const stores = new Map(group.runs.map(({ store }) => [store.folder, store]));
  const known = [...stores.values()].map(store => queues.queueOf(store));
  const held = known.find(queue => queue.held)?.held;
  const elsewhere = [...stores.values()].map(store => queues.elsewhere(store)).find(words => words !== null);
  const isHeldOnError = known.some(({ onError }) => onError === 'hold');
  item.contextValue = ['queued', held && 'held', isHeldOnError && 'holdsOnError'].filter(Boolean).join('.');
  item.description = [String(group.runs.length), held && t('held'), elsewhere && t('on another machine')]
    .filter(Boolean)
    .join(' · ');
  item.iconPath = new vscode.ThemeIcon(held ? 'debug-pause' : 'list-ordered');
  const lines = [
    ...(elsewhere ? [elsewhere] : []),
    held ? t('Held: {0}', held.reason) : t('Taken one after the other, the first first. Drag a row to move it.'),
    isHeldOnError
      ? t('A run that fails holds the queue.')
      : t('A run that fails does not keep the next from starting.'),
  ];
  item.tooltip = lines.join('\n');
  const words = [group.label, t('{0} runs', group.runs.length), held && t('Held: {0}', held.reason), elsewhere];
  item.accessibilityInformation = { label: words.filter(Boolean).join(', ') };
  return item;
}
