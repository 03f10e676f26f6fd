/**
 * The view Runs: rows for groups, runs and their checkpoints. Rows keep their ids, only what changed is asked for again,
 * and no row has more than two hundred below it at once. Filters by words and hides what the user has hidden.
 */
import * as vscode from 'vscode';
import { searchRuns } from '../../runs/runSearch.ts';
import type { QueueModel } from './queueModel.ts';
import { describeQueue } from './queueRow.ts';
import { mostRows, type RunGroup, RunGroups } from './runGroups.ts';
import { checkpointItem, groupItem, hiddenItem, moreItem, runItem } from './runRows.ts';
import type { RunEntry, RunsChange, RunsModel } from './runsModel.ts';

export type RunsNode =
  | { kind: 'group'; id: string }
  | { kind: 'run'; id: string }
  | { kind: 'checkpoint'; id: string; run: string; checkpoint: RunEntry['checkpoints'][number] }
  | { kind: 'more'; id: string; group: string }
  | { kind: 'hidden'; id: string };

/** More changed rows than these are drawn anew at once. */
const mostSingleRows = 50;

export class RunsTree implements vscode.TreeDataProvider<RunsNode>, vscode.Disposable {
  readonly #model: RunsModel;
  readonly #queues: QueueModel;
  readonly #changed = new vscode.EventEmitter<RunsNode | undefined>();
  readonly #listeners: vscode.Disposable[];
  readonly #nodes = new Map<string, RunsNode>();
  readonly #shownOf = new Map<string, number>();
  #groups = new RunGroups([]);
  #query = '';
  #showsHidden = false;
  /** What a search leaves out was not hidden by the user. */
  #hiddenCount = 0;
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(model: RunsModel, queues: QueueModel) {
    this.#model = model;
    this.#queues = queues;
    this.#arrange();
    this.#listeners = [
      model.onDidChange(change => this.#refresh(change)),
      queues.onDidChange(() => this.#refreshQueue()),
    ];
  }

  /** Only runs that match are listed; an empty text lists all. */
  get query(): string {
    return this.#query;
  }
  set query(text: string) {
    this.#query = text.trim();
    this.#arrange();
    this.#changed.fire(undefined);
  }

  get showsHidden(): boolean {
    return this.#showsHidden;
  }
  set showsHidden(shows: boolean) {
    this.#showsHidden = shows;
    this.#arrange();
    this.#changed.fire(undefined);
  }

  /** How many runs are listed. */
  get count(): number {
    return this.#groups.count;
  }

  getChildren(node?: RunsNode): RunsNode[] {
    if (!node) return [...this.#groupNodes(this.#groups.roots, 'root'), ...this.#hiddenNode()];
    switch (node.kind) {
      case 'group':
        return this.#below(node.id);
      case 'run':
        return this.#checkpointsOf(node.id);
      case 'checkpoint':
      case 'more':
      case 'hidden':
        return [];
      default:
        return node satisfies never;
    }
  }

  getParent(node: RunsNode): RunsNode | undefined {
    const parent = (group: RunGroup | undefined) => group && this.#keep({ kind: 'group', id: group.id });
    switch (node.kind) {
      case 'group':
        return parent(this.#groups.group(node.id)?.parent);
      case 'run':
        return parent(this.#groups.groupOf(node.id));
      case 'checkpoint':
        return this.#nodes.get(node.run);
      case 'more':
        return this.#nodes.get(node.group);
      case 'hidden':
        return undefined;
      default:
        return node satisfies never;
    }
  }

  getTreeItem(node: RunsNode): vscode.TreeItem {
    switch (node.kind) {
      case 'group': {
        const group = this.#groups.group(node.id);
        if (!group) return new vscode.TreeItem(node.id);
        const item = groupItem(group, this.#isOpen(group));
        return group.id === 'queued' ? describeQueue(item, group, this.#queues) : item;
      }
      case 'run': {
        const run = this.#model.get(node.id);
        return run ? runItem(run) : new vscode.TreeItem(node.id);
      }
      case 'checkpoint':
        return checkpointItem(node.id, node.checkpoint);
      case 'more':
        return moreItem(node.id, node.group, this.#moreBelow(node.group));
      case 'hidden':
        return hiddenItem(node.id, this.#hiddenCount);
      default:
        return node satisfies never;
    }
  }

  node(id: string): RunsNode | undefined {
    return this.#nodes.get(id);
  }

  showMore(group: string): void {
    this.#shownOf.set(group, this.#shown(group) + mostRows);
    this.#changed.fire(this.#nodes.get(group));
  }

  /** Steps of a live run: its row alone is drawn again. */
  refreshRun(id: string): void {
    const node = this.#nodes.get(id);
    if (node) this.#changed.fire(node);
  }

  dispose(): void {
    for (const listener of this.#listeners) listener.dispose();
    this.#changed.dispose();
  }

  #arrange(): void {
    const matches = searchRuns(this.#query);
    const shown = this.#model.runs.filter(run => (this.#showsHidden || !run.hidden) && matches(run));
    this.#groups = new RunGroups(shown, waiting => this.#queues.sorted(waiting));
    this.#hiddenCount = this.#query === '' ? this.#model.runs.length - shown.length : 0;
  }

  /** Rows that changed in place are drawn again, groups that won or lost some are asked again. */
  #refresh({ ids }: RunsChange): void {
    const [before, hiddenBefore] = [this.#groups, this.#hiddenCount];
    this.#arrange();
    const isSame = sameGroups(before, this.#groups) && hiddenBefore > 0 === this.#hiddenCount > 0;
    const nodes: (RunsNode | undefined)[] = isSame ? this.#touched(ids, before) : [undefined];
    const hidden = this.#nodes.get('hidden');
    if (hidden && hiddenBefore !== this.#hiddenCount) nodes.push(hidden);
    for (const node of nodes.length > mostSingleRows ? [undefined] : nodes) this.#changed.fire(node);
  }

  #refreshQueue(): void {
    this.#arrange();
    const node = this.#nodes.get('queued');
    if (node && this.#groups.group('queued')) this.#changed.fire(node);
  }

  #touched(ids: ReadonlySet<string>, before: RunGroups): RunsNode[] {
    const touched = new Set<string>();
    for (const id of ids) {
      if (before.placeOf(id) === this.#groups.placeOf(id)) touched.add(id);
      // A group's parent counts its runs.
      else
        for (const group of [before.groupOf(id), this.#groups.groupOf(id)])
          if (group) touched.add((group.parent ?? group).id);
    }
    return [...touched].map(id => this.#nodes.get(id)).filter(node => node !== undefined);
  }

  #below(id: string): RunsNode[] {
    const group = this.#groups.group(id);
    if (!group) return [];
    if (group.months.length > 0) return this.#groupNodes(group.months, id);
    const nodes = group.runs.slice(0, this.#shown(id)).map(run => this.#keep({ kind: 'run', id: run.id }));
    return this.#withMore(nodes, id);
  }

  #groupNodes(groups: readonly RunGroup[], id: string): RunsNode[] {
    const nodes = groups.slice(0, this.#shown(id)).map(group => this.#keep({ kind: 'group', id: group.id }));
    return this.#withMore(nodes, id);
  }

  #withMore(nodes: RunsNode[], group: string): RunsNode[] {
    if (this.#moreBelow(group) > 0) nodes.push(this.#keep({ kind: 'more', id: `${group}/more`, group }));
    return nodes;
  }

  #moreBelow(id: string): number {
    const group = this.#groups.group(id);
    const all = group ? group.months.length || group.runs.length : this.#groups.roots.length;
    return Math.max(0, all - this.#shown(id));
  }

  #hiddenNode(): RunsNode[] {
    return this.#hiddenCount > 0 ? [this.#keep({ kind: 'hidden', id: 'hidden' })] : [];
  }

  #shown(group: string): number {
    return this.#shownOf.get(group) ?? mostRows;
  }

  /** What is found is shown; else the groups on top, as long as the list stays short enough to look over. */
  #isOpen(group: RunGroup): boolean {
    if (group.parent) return group.parent.months[0] === group;
    let rows = 0;
    for (const root of this.#groups.roots) {
      if (root === group) return true;
      rows += Math.min(root.runs.length, mostRows);
      if (rows > mostRows) return false;
    }
    return false;
  }

  #checkpointsOf(id: string): RunsNode[] {
    const checkpoints = this.#model.get(id)?.checkpoints ?? [];
    return checkpoints
      .slice(-mostRows)
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
}

/** Then nobody needs to ask for the root again. */
function sameGroups(a: RunGroups, b: RunGroups): boolean {
  const ids = ({ roots }: RunGroups) =>
    roots.flatMap(({ id, months }) => [id, ...months.map(month => month.id)]).join('\n');
  return ids(a) === ids(b);
}
