/** A page in an editor tab of its own: HTML, channel and end. What it shows is told by a backend. */
import * as vscode from 'vscode';
import { type PageBackend, PageChannel } from './pageChannel.ts';
import { type PageName, pageHtml, pageOptions } from './pageHtml.ts';

export interface PageSurroundings {
  extension: vscode.Uri;
  log: vscode.LogOutputChannel;
}

const viewTypes = { run: 'holdfast.run', compare: 'holdfast.compare', check: 'holdfast.check' } as const;

/** Beside what is being edited, which keeps the focus. No context is retained: a hidden page costs nothing. */
export function createPanel(page: keyof typeof viewTypes, title: string): vscode.WebviewPanel {
  const place = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
  return vscode.window.createWebviewPanel(viewTypes[page], title, place);
}

export class PagePanel implements vscode.Disposable {
  readonly panel: vscode.WebviewPanel;
  readonly channel: PageChannel;
  readonly #renamed = new vscode.EventEmitter<void>();
  readonly onDidRename = this.#renamed.event;

  constructor(panel: vscode.WebviewPanel, page: PageName, backend: PageBackend, around: PageSurroundings) {
    this.panel = panel;
    panel.webview.options = pageOptions;
    panel.iconPath = vscode.Uri.joinPath(around.extension, 'media', 'holdfast-tab.svg');
    // The channel listens before the page can speak.
    this.channel = new PageChannel(panel.webview, backend, around.log);
    panel.webview.html = pageHtml(around.extension, page, panel.title);
  }

  /** Shows a panel that is open already where it is. */
  reveal(): void {
    this.panel.reveal(undefined, true);
  }

  rename(title: string): void {
    if (this.panel.title === title) return;
    this.panel.title = title;
    this.#renamed.fire();
  }

  dispose(): void {
    this.#renamed.dispose();
    this.channel.dispose();
  }
}
