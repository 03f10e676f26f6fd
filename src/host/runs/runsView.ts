/** The tree of runs as a view: its badge, its selection, and what it tells the editor's conditions. */
import * as vscode from 'vscode';
import { isLive, type RunsModel } from './runsModel.ts';
import { type RunsNode, RunsTree } from './runsTree.ts';

export interface RunsView extends vscode.Disposable {
  tree: RunsTree;
  selectedRuns(): string[];
}

export function registerRunsView(model: RunsModel): RunsView {
  const tree = new RunsTree(model);
  const view = vscode.window.createTreeView<RunsNode>('holdfast.runs', {
    treeDataProvider: tree,
    canSelectMany: true,
    showCollapseAll: true,
  });
  const show = () => {
    const running = model.runs.filter(run => isLive(run) && run.status !== 'queued').length;
    view.badge = running > 0 ? { value: running, tooltip: vscode.l10n.t('{0} running', running) } : undefined;
    void vscode.commands.executeCommand(
      'setContext',
      'holdfast.hasVerdict',
      model.runs.some(({ verdict }) => verdict !== null),
    );
  };
  const listener = model.onDidChange(show);
  show();
  return {
    tree,
    selectedRuns: () => view.selection.flatMap(node => (node.kind === 'run' ? [node.id] : [])),
    dispose: () => vscode.Disposable.from(listener, view, tree).dispose(),
  };
}
