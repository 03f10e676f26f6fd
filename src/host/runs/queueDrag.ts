/** Rows of waiting runs are dragged to another place in the queue, to its end, or to the head of it. */
import * as vscode from 'vscode';
import type { App } from '../app.ts';
import { showError } from '../userMessages.ts';
import type { RunEntry } from './runsModel.ts';
import type { RunsNode } from './runsTree.ts';

const mime = 'application/vnd.code.tree.holdfast.runs';

export class QueueDrag implements vscode.TreeDragAndDropController<RunsNode> {
  readonly dragMimeTypes = [mime];
  readonly dropMimeTypes = [mime];
  readonly #app: () => Promise<App>;

  constructor(app: () => Promise<App>) {
    this.#app = app;
  }

  handleDrag(nodes: readonly RunsNode[], transfer: vscode.DataTransfer): void {
    const ids = nodes.flatMap(node => (node.kind === 'run' ? [node.id] : []));
    transfer.set(mime, new vscode.DataTransferItem(ids));
  }

  async handleDrop(target: RunsNode | undefined, transfer: vscode.DataTransfer): Promise<void> {
    const app = await this.#app();
    const ids: unknown = transfer.get(mime)?.value;
    if (!Array.isArray(ids) || !target) return;
    const dragged = ids.map(id => app.model.get(String(id))).filter(run => run?.status === 'queued') as RunEntry[];
    try {
      if (dragged.length > 0) await drop(app, dragged, target);
    } catch (error) {
      await showError(error, app.log);
    }
  }
}

async function drop(app: App, dragged: RunEntry[], target: RunsNode): Promise<void> {
  const { move } = await import('../commands/queueCommands.ts');
  const run = target.kind === 'run' ? app.model.get(target.id) : undefined;
  if (run?.status === 'queued') return move(app, dragged, { to: run });
  if (target.kind === 'group' && target.id === 'queued') return move(app, dragged, 'last');
  // What runs now is ahead of the queue: below it is its head.
  if (target.id === 'running' || run?.status === 'running' || run?.status === 'paused')
    return move(app, dragged, 'first');
}
