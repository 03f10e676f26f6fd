/** What the row Queued says of its queues: held and why, and what an error does. */
import * as vscode from 'vscode';
import type { QueueModel } from './queueModel.ts';
import type { RunGroup } from './runGroups.ts';

const { t } = vscode.l10n;

export function describeQueue(item: vscode.TreeItem, group: RunGroup, queues: QueueModel): vscode.TreeItem {
  const stores = new Map(group.runs.map(({ store }) => [store.folder, store]));
  const known = [...stores.values()].map(store => queues.queueOf(store));
  const held = known.find(queue => queue.held)?.held;
  const isHeldOnError = known.some(({ onError }) => onError === 'hold');
  item.contextValue = ['queued', held && 'held', isHeldOnError && 'holdsOnError'].filter(Boolean).join('.');
  item.description = [String(group.runs.length), held && t('held')].filter(Boolean).join(' · ');
  item.iconPath = new vscode.ThemeIcon(held ? 'debug-pause' : 'list-ordered');
  const lines = [
    held ? t('Held: {0}', held.reason) : t('Taken one after the other, the first first. Drag a row to move it.'),
    isHeldOnError
      ? t('A run that fails holds the queue.')
      : t('A run that fails does not keep the next from starting.'),
  ];
  item.tooltip = lines.join('\n');
  const words = [group.label, t('{0} runs', group.runs.length), held && t('Held: {0}', held.reason)];
  item.accessibilityInformation = { label: words.filter(Boolean).join(', ') };
  return item;
}
