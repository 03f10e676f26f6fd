/** One row of the view Runs each: what a group, a run, a checkpoint look like. Knows nothing of which rows there are. */
import * as vscode from 'vscode';
import { plain } from '../markdown.ts';
import type { RunGroup } from './runGroups.ts';
import { isLive, type RunEntry } from './runsModel.ts';
import { runDescription, runIcon, runLabel, signed, sizeWords, statusWords, verdictWords } from './runWords.ts';

const { t } = vscode.l10n;
const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;

/** Rows of runs whose colour the user chose are addressed so that a decoration can find them. */
const rowScheme = 'holdfast-row';

export function groupItem(group: RunGroup, isOpen: boolean): vscode.TreeItem {
  const { id, label, recipeFile, runs } = group;
  const item = new vscode.TreeItem(label, isOpen ? Expanded : Collapsed);
  item.id = id;
  item.contextValue = id === 'queued' || id === 'running' ? id : 'group';
  const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
  item.description = [String(runs.length), bytes > 0 && sizeWords(bytes)].filter(Boolean).join(' · ');
  if (recipeFile) {
    item.resourceUri = vscode.Uri.file(recipeFile);
    item.iconPath = new vscode.ThemeIcon('file');
    item.tooltip = recipeFile;
  }
  item.accessibilityInformation = { label: t('{0}, {1} runs, {2}', label, runs.length, sizeWords(bytes)) };
  return item;
}

export function runItem(run: RunEntry): vscode.TreeItem {
  const item = new vscode.TreeItem(rowLabel(run), run.checkpoints.length > 0 ? Collapsed : None);
  item.id = run.id;
  item.contextValue = [`run.${run.status}`, ...flagsOf(run)].join('.');
  item.description = [run.hidden && t('hidden'), runDescription(run), !isLive(run) && sizeWords(run.bytes)]
    .filter(Boolean)
    .join(' · ');
  item.iconPath = runIcon(run);
  item.tooltip = runTooltip(run);
  item.command = { command: 'holdfast.showRun', title: t('Show Run'), arguments: [run.id] };
  if (run.chosenColour !== null) {
    item.resourceUri = vscode.Uri.from({ scheme: rowScheme, path: `/${run.id}`, query: String(run.chosenColour) });
  }
  const words = [runLabel(run), run.star && t('with a star'), statusWords(run), verdictWords(run), ...run.tags];
  item.accessibilityInformation = { label: words.filter(Boolean).join(', ') };
  return item;
}

export function checkpointItem(id: string, checkpoint: RunEntry['checkpoints'][number]): vscode.TreeItem {
  const item = new vscode.TreeItem(t('Step {0}', checkpoint.step));
  item.id = id;
  item.contextValue = 'checkpoint';
  item.iconPath = new vscode.ThemeIcon('save');
  // Its size is known once the list has been read again.
  item.description = checkpoint.bytes > 0 ? sizeWords(checkpoint.bytes) : '';
  item.tooltip = checkpoint.folder;
  item.accessibilityInformation = {
    label: t('Checkpoint at step {0}, {1}', checkpoint.step, sizeWords(checkpoint.bytes)),
  };
  return item;
}

export function moreItem(id: string, group: string, count: number): vscode.TreeItem {
  const item = new vscode.TreeItem(t('Show More'));
  item.id = id;
  item.contextValue = 'more';
  item.description = t('{0} older', count);
  item.iconPath = new vscode.ThemeIcon('ellipsis');
  item.command = { command: 'holdfast.showMoreRuns', title: t('Show More'), arguments: [group] };
  return item;
}

/** So that nobody looks for runs that he once hid. */
export function hiddenItem(id: string, count: number): vscode.TreeItem {
  const item = new vscode.TreeItem(count === 1 ? t('1 hidden run') : t('{0} hidden runs', count));
  item.id = id;
  item.contextValue = 'hiddenRuns';
  item.iconPath = new vscode.ThemeIcon('eye-closed', new vscode.ThemeColor('descriptionForeground'));
  item.command = { command: 'holdfast.showHiddenRuns', title: t('Show Hidden Runs') };
  return item;
}

/** The colour the user gave a run, on its name and beside it. */
export function registerRowColours(): vscode.Disposable {
  return vscode.window.registerFileDecorationProvider({
    provideFileDecoration: ({ scheme, query }) =>
      scheme === rowScheme && /^[0-7]$/.test(query)
        ? { badge: '●', color: new vscode.ThemeColor(`holdfast.series${Number(query) + 1}`) }
        : undefined,
  });
}

/** Below its recipe a past run is its variant, unless the user gave it a name. */
function rowLabel(run: RunEntry): string {
  const label = isLive(run) || run.named ? runLabel(run) : run.variant;
  return run.star ? `★ ${label}` : label;
}

function flagsOf(run: RunEntry): string[] {
  const { star, hidden, foreign, checkpoints } = run;
  return [star && 'starred', hidden && 'hidden', foreign && 'foreign', checkpoints.length > 0 && 'saved'].filter(
    flag => flag !== false,
  );
}

function runTooltip(run: RunEntry): vscode.MarkdownString {
  const text = new vscode.MarkdownString('', true);
  const line = (words: string) => text.appendMarkdown(plain(words)).appendMarkdown('\n\n');
  text.appendMarkdown(`**${plain(runLabel(run))}**  \n`);
  // The words of most states hold the reason already; that of a stop says all of it.
  const status = run.status === 'stopped' && run.reason ? run.reason : statusWords(run);
  line([status, verdictWords(run)].filter(Boolean).join(' · '));
  for (const [name, { value, unit, verdict }] of Object.entries(run.sets)) {
    text.appendMarkdown(`- ${plain(`${name}: ${signed(value)} ${unit}${verdict ? ` (${verdict})` : ''}`)}\n`);
  }
  if (Object.keys(run.sets).length > 0) text.appendMarkdown('\n');
  if (run.tags.length > 0) line(run.tags.map(tag => `#${tag}`).join(' '));
  const note = run.notes.split('\n').find(words => words.trim() !== '');
  if (note) line(`“${note.trim().slice(0, 200)}”`);
  if (run.foreign) line(t('Made elsewhere: it can be looked at and compared, not started.'));
  line(t('{0} on the disk, checkpoints: {1}', sizeWords(run.bytes), run.checkpoints.length));
  line(run.id);
  return text;
}
