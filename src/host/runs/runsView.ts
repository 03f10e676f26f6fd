/**
 * The tree of runs as a view: registered at once, because the editor asks for it as soon as it is visible; filled when
 * the runs are known. Keeps its badge and what the editor's conditions know of runs.
 */
import * as vscode from 'vscode';
import type { RunsModel } from './runsModel.ts';
import type { RunsNode, RunsTree } from './runsTree.ts';

export class RunsView implements vscode.TreeDataProvider<RunsNode>, vscode.Disposable {
  readonly #tree: () => Promise<RunsTree>;
  readonly #changed = new vscode.EventEmitter<RunsNode | undefined>();
  readonly #view: vscode.TreeView<RunsNode>;
  #attached: RunsTree | undefined;
  #told = '';
  readonly onDidChangeTreeData = this.#changed.event;

  /** `tree` is asked for when the view is first seen. */
  constructor(tree: () => Promise<RunsTree>, dragAndDropController: vscode.TreeDragAndDropController<RunsNode>) {
    this.#tree = tree;
    const options = { treeDataProvider: this, dragAndDropController, canSelectMany: true, showCollapseAll: true };
    this.#view = vscode.window.createTreeView<RunsNode>('holdfast.runs', options);
  }

  attach(tree: RunsTree, model: RunsModel): vscode.Disposable {
    this.#attached = tree;
    const listeners = [
      tree.onDidChangeTreeData(node => {
        this.#changed.fire(node);
        this.#tellFilter(tree, model);
      }),
      model.onDidChange(() => this.#tell(model)),
    ];
    this.#tell(model);
    this.#tellFilter(tree, model);
    return vscode.Disposable.from(...listeners);
  }

  get selectedRuns(): string[] {
    return this.#view.selection.flatMap(node => (node.kind === 'run' ? [node.id] : []));
  }

  async getChildren(node?: RunsNode): Promise<RunsNode[]> {
    return (this.#attached ?? (await this.#tree())).getChildren(node);
  }

  async getTreeItem(node: RunsNode): Promise<vscode.TreeItem> {
    return (this.#attached ?? (await this.#tree())).getTreeItem(node);
  }

  getParent(node: RunsNode): RunsNode | undefined {
    return this.#attached?.getParent(node);
  }

  dispose(): void {
    this.#view.dispose();
    this.#changed.dispose();
  }

  /** Whoever sees fewer rows than there are runs is told so. */
  #tellFilter({ query, showsHidden, count }: RunsTree, model: RunsModel): void {
    const message = query ? vscode.l10n.t('{0} of {1} runs match “{2}”', count, model.runs.length, query) : undefined;
    if (this.#view.message !== message) this.#view.message = message;
    const told = `${query !== ''} ${showsHidden}`;
    if (told === this.#told) return;
    this.#told = told;
    void vscode.commands.executeCommand('setContext', 'holdfast.isSearching', query !== '');
    void vscode.commands.executeCommand('setContext', 'holdfast.showsHidden', showsHidden);
  }

  #tell(model: RunsModel): void {
    const running = model.runs.filter(({ status }) => ['running', 'paused', 'stale'].includes(status)).length;
    this.#view.badge = running > 0 ? { value: running, tooltip: vscode.l10n.t('{0} running', running) } : undefined;
    const hasVerdict = model.runs.some(({ verdict }) => verdict !== null);
    void vscode.commands.executeCommand('setContext', 'holdfast.hasVerdict', hasVerdict);
  }
}
