/**
 * The view Runs: what is running, what waits, and what is past by recipe, with checkpoints below. Rows keep their ids,
 * and only rows that changed are asked for again.
 */
import * as vscode from 'vscode';
import { plain } from '../markdown.ts';
import { isLive, type RunEntry, type RunsChange, type RunsModel } from './runsModel.ts';
import { runDescription, runIcon, runLabel, signed, statusWords, verdictWords } from './runWords.ts';

type Checkpoint = RunEntry['checkpoints'][number];

export type RunsNode =
  | { kind: 'group'; id: string; label: string; recipeFile?: string }
  | { kind: 'run'; id: string }
  | { kind: 'checkpoint'; id: string; run: string; checkpoint: Checkpoint }
  | { kind: 'more'; id: string; group: string };

const page = 100;
const { t } = vscode.l10n;

export class RunsTree implements vscode.TreeDataProvider<RunsNode>, vscode.Disposable {
  readonly #model: RunsModel;
  readonly #changed = new vscode.EventEmitter<RunsNode | undefined>();
  readonly #listener: vscode.Disposable;
  readonly #nodes = new Map<string, RunsNode>();
  readonly #shownOf = new Map<string, number>();
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(model: RunsModel) {
    this.#model = model;
    this.#listener = model.onDidChange(change => this.#refresh(change));
  }

  getChildren(node?: RunsNode): RunsNode[] {
    if (!node) return this.#groups();
    switch (node.kind) {
      case 'group':
        return this.#runsOf(node.id);
      case 'run':
        return this.#checkpointsOf(node.id);
      case 'checkpoint':
      case 'more':
        return [];
      default:
        return node satisfies never;
    }
  }

  getParent(node: RunsNode): RunsNode | undefined {
    if (node.kind === 'run') {
      const run = this.#model.get(node.id);
      return run && this.#nodes.get(groupOf(run).id);
    }
    if (node.kind === 'checkpoint') return this.#nodes.get(node.run);
    return node.kind === 'more' ? this.#nodes.get(node.group) : undefined;
  }

  getTreeItem(node: RunsNode): vscode.TreeItem {
    switch (node.kind) {
      case 'group':
        return this.#groupItem(node);
      case 'run':
        return this.#runItem(node);
      case 'checkpoint':
        return checkpointItem(node);
      case 'more':
        return moreItem(node);
      default:
        return node satisfies never;
    }
  }

  node(id: string): RunsNode | undefined {
    return this.#nodes.get(id);
  }

  showMore(group: string): void {
    this.#shownOf.set(group, (this.#shownOf.get(group) ?? page) + page);
    this.#changed.fire(this.#nodes.get(group));
  }

  /** Steps of a live run: its row alone is drawn again. */
  refreshRun(id: string): void {
    const node = this.#nodes.get(id);
    if (node) this.#changed.fire(node);
  }

  dispose(): void {
    this.#listener.dispose();
    this.#changed.dispose();
  }

  #refresh({ isStructural, ids }: RunsChange): void {
    if (isStructural) this.#changed.fire(undefined);
    else for (const id of ids) this.refreshRun(id);
  }

  #groups(): RunsNode[] {
    const groups = new Map<string, RunsNode>();
    for (const run of this.#model.runs) {
      const group = groupOf(run);
      if (!groups.has(group.id)) groups.set(group.id, this.#keep(group));
    }
    const rank = ({ id }: RunsNode) => (id === 'running' ? 0 : id === 'queued' ? 1 : 2);
    return [...groups.values()].sort((a, b) => rank(a) - rank(b));
  }

  #runsOf(group: string): RunsNode[] {
    const runs = this.#model.runs.filter(run => groupOf(run).id === group);
    // A queue is read from its head.
    if (group === 'queued') runs.reverse();
    const shown = this.#shownOf.get(group) ?? page;
    const nodes = runs.slice(0, shown).map(({ id }) => this.#keep({ kind: 'run', id }));
    if (runs.length > shown) nodes.push(this.#keep({ kind: 'more', id: `${group}/more`, group }));
    return nodes;
  }

  #checkpointsOf(id: string): RunsNode[] {
    const checkpoints = this.#model.get(id)?.checkpoints ?? [];
    return checkpoints
      .toReversed()
      .map(checkpoint => this.#keep({ kind: 'checkpoint', id: `${id}/${checkpoint.folder}`, run: id, checkpoint }));
  }

  /** One object a row for the tree's life: the editor finds a row by it. */
  #keep(node: RunsNode): RunsNode {
    const known = this.#nodes.get(node.id);
    if (known) return Object.assign(known, node);
    this.#nodes.set(node.id, node);
    return node;
  }

  #groupItem(node: Extract<RunsNode, { kind: 'group' }>): vscode.TreeItem {
    const count = this.#model.runs.filter(run => groupOf(run).id === node.id).length;
    const item = new vscode.TreeItem(node.label, vscode.TreeItemCollapsibleState.Expanded);
    item.id = node.id;
    item.contextValue = 'group';
    item.description = String(count);
    if (node.recipeFile) {
      item.resourceUri = vscode.Uri.file(node.recipeFile);
      item.iconPath = new vscode.ThemeIcon('file');
      item.tooltip = node.recipeFile;
    }
    item.accessibilityInformation = { label: t('{0}, {1} runs', node.label, count) };
    return item;
  }

  #runItem({ id }: Extract<RunsNode, { kind: 'run' }>): vscode.TreeItem {
    const run = this.#model.get(id);
    if (!run) return new vscode.TreeItem(id);
    const hasChildren = run.checkpoints.length > 0;
    const state = vscode.TreeItemCollapsibleState[hasChildren ? 'Collapsed' : 'None'];
    const label = isLive(run) ? runLabel(run) : run.variant;
    const item = new vscode.TreeItem(label, state);
    item.id = id;
    item.contextValue = `run.${run.status}`;
    item.description = runDescription(run);
    item.iconPath = runIcon(run);
    item.tooltip = runTooltip(run);
    item.command = { command: 'holdfast.showRun', title: t('Show Run'), arguments: [id] };
    const words = [runLabel(run), statusWords(run), verdictWords(run)];
    item.accessibilityInformation = { label: words.filter(Boolean).join(', ') };
    return item;
  }
}

function groupOf(run: RunEntry): Extract<RunsNode, { kind: 'group' }> {
  if (run.status === 'queued') return { kind: 'group', id: 'queued', label: t('Queued') };
  if (isLive(run)) return { kind: 'group', id: 'running', label: t('Running') };
  const { recipeFile, recipe } = run;
  return { kind: 'group', id: `recipe:${recipeFile}`, label: recipe.replace(/\.tune\.ya?ml$/, ''), recipeFile };
}

function checkpointItem({ id, checkpoint }: Extract<RunsNode, { kind: 'checkpoint' }>): vscode.TreeItem {
  const item = new vscode.TreeItem(t('Step {0}', checkpoint.step));
  item.id = id;
  item.contextValue = 'checkpoint';
  item.iconPath = new vscode.ThemeIcon('save');
  // Its size is known once the list has been read again.
  item.description = checkpoint.bytes > 0 ? megabytes(checkpoint.bytes) : '';
  item.tooltip = checkpoint.folder;
  item.accessibilityInformation = {
    label: t('Checkpoint at step {0}, {1}', checkpoint.step, megabytes(checkpoint.bytes)),
  };
  return item;
}

function moreItem({ id, group }: Extract<RunsNode, { kind: 'more' }>): vscode.TreeItem {
  const item = new vscode.TreeItem(t('Show More'));
  item.id = id;
  item.iconPath = new vscode.ThemeIcon('ellipsis');
  item.command = { command: 'holdfast.showMoreRuns', title: t('Show More'), arguments: [group] };
  return item;
}

function runTooltip(run: RunEntry): vscode.MarkdownString {
  const text = new vscode.MarkdownString('', true);
  text
    .appendMarkdown('**')
    .appendMarkdown(plain(runLabel(run)))
    .appendMarkdown(`**  \n`);
  text.appendMarkdown(plain([statusWords(run), run.reason, verdictWords(run)].filter(Boolean).join(' · ')));
  const sets = Object.entries(run.sets);
  if (sets.length > 0) text.appendMarkdown('\n\n');
  for (const [name, { value, unit, verdict }] of sets) {
    text
      .appendMarkdown('- ')
      .appendMarkdown(plain(`${name}: ${signed(value)} ${unit}${verdict ? ` (${verdict})` : ''}`))
      .appendMarkdown('\n');
  }
  text.appendMarkdown('\n\n').appendMarkdown(plain(run.id));
  return text;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
