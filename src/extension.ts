/** Where VS Code comes in: registers what is cheap, and builds the rest when it is first needed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { App } from './host/app.ts';
import { registerCommands } from './host/commands/commands.ts';
import { QueueDrag } from './host/runs/queueDrag.ts';
import { RunsView } from './host/runs/runsView.ts';
import { readSettings } from './host/settings.ts';

/** What tests ask the extension; nothing that other extensions should build on. */
export interface HoldfastExports {
  app(): Promise<App>;
}

export function activate(context: vscode.ExtensionContext): HoldfastExports {
  const activatedAt = performance.now();
  const log = vscode.window.createOutputChannel('Holdfast', { log: true });
  const built = once(async () => {
    const { App } = await import('./host/app.ts');
    const made = new App(context.extensionUri, log, view, context.workspaceState, activatedAt);
    context.subscriptions.push(made);
    return made;
  });
  const app = once(async () => {
    const begun = await built();
    await begun.begin();
    return begun;
  });
  /** What the editor restores is put up at once: its page takes its time to load, and so does the list of runs. */
  const restoring = () => {
    void app();
    return built();
  };
  const view = new RunsView(async () => (await app()).tree, new QueueDrag(app));
  useHome();
  context.subscriptions.push(
    log,
    view,
    registerCommands(app, context, log),
    ...['run', 'compare', 'check'].map(page => registerPanel(`holdfast.${page}`, restoring)),
    vscode.window.registerWebviewViewProvider('holdfast.metrics', {
      resolveWebviewView: async view => (await restoring()).resolveMetrics(view),
    }),
    vscode.workspace.onDidOpenTextDocument(document => isRecipeName(document) && void app()),
  );
  if (vscode.workspace.textDocuments.some(isRecipeName) || hasStore()) setImmediate(() => void app());
  return { app };
}

function registerPanel(type: string, restoring: () => Promise<App>): vscode.Disposable {
  return vscode.window.registerWebviewPanelSerializer(type, {
    deserializeWebviewPanel: async (panel, state) => (await restoring()).panels.restore(panel, state),
  });
}

/** The setting holds for all our programs; they know it as a variable of their environment. */
function useHome(): void {
  const { home } = readSettings();
  if (home) process.env.HOLDFAST_HOME = home;
}

const isRecipeName = ({ uri }: vscode.TextDocument): boolean => /\.tune\.ya?ml$/.test(uri.path);

function hasStore(): boolean {
  return (vscode.workspace.workspaceFolders ?? []).some(({ uri }) => existsSync(join(uri.fsPath, '.holdfast')));
}

/** Made once; a failure is not kept, so that the next try may succeed. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch(error => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
