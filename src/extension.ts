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
  const log = vscode.window.createOutputChannel('Holdfast', { log: true });
  const activatedAt = performance.now();
  const app = once(async () => {
    const { App } = await import('./host/app.ts');
    const built = new App(context.extensionUri, log, view, context.workspaceState, activatedAt);
    context.subscriptions.push(built);
    await built.begin();
    return built;
  });
  const view = new RunsView(async () => (await app()).tree, new QueueDrag(app));
  useHome();
  context.subscriptions.push(
    log,
    view,
    registerCommands(app, context, log),
    ...['run', 'compare', 'check'].map(page => registerPanel(`holdfast.${page}`, app)),
    vscode.window.registerWebviewViewProvider('holdfast.metrics', {
      resolveWebviewView: async view => (await app()).resolveMetrics(view),
    }),
    vscode.workspace.onDidOpenTextDocument(document => isRecipeName(document) && void app()),
  );
  if (vscode.workspace.textDocuments.some(isRecipeName) || hasStore()) setImmediate(() => void app());
  return { app };
}

function registerPanel(type: string, app: () => Promise<App>): vscode.Disposable {
  return vscode.window.registerWebviewPanelSerializer(type, {
    deserializeWebviewPanel: async (panel, state) => (await app()).panels.restore(panel, state),
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
