/** The recipes that are open in editors: parsed once a version, with one event after typing has paused. */
import * as vscode from 'vscode';
import type { ParsedRecipe } from '../../recipe/parse.ts';
import { parseRecipe } from '../../recipe/parse.ts';

export const recipeSelector: vscode.DocumentSelector = {
  language: 'yaml',
  scheme: 'file',
  pattern: '**/*.tune.{yaml,yml}',
};

const pauseMs = 150;

export function isRecipe(document: vscode.TextDocument | undefined): document is vscode.TextDocument {
  return document !== undefined && isRecipeUri(document.uri);
}

export function isRecipeUri(uri: vscode.Uri): boolean {
  return uri.scheme === 'file' && /\.tune\.ya?ml$/.test(uri.path);
}

export class RecipeDocuments implements vscode.Disposable {
  readonly #parsed = new WeakMap<vscode.TextDocument, { version: number; result: ParsedRecipe }>();
  readonly #changed = new vscode.EventEmitter<vscode.TextDocument>();
  readonly #closed = new vscode.EventEmitter<vscode.TextDocument>();
  readonly #activated = new vscode.EventEmitter<vscode.TextDocument>();
  readonly #timers = new Map<vscode.TextDocument, NodeJS.Timeout>();
  readonly #subscriptions: vscode.Disposable[];
  #active: vscode.TextDocument | undefined;

  /** A recipe was opened, or its text has changed and rests. */
  readonly onDidChange = this.#changed.event;
  readonly onDidClose = this.#closed.event;
  /** Another recipe is in front. */
  readonly onDidActivate = this.#activated.event;

  constructor() {
    this.#subscriptions = [
      this.#changed,
      this.#closed,
      this.#activated,
      vscode.workspace.onDidOpenTextDocument(document => isRecipe(document) && this.#changed.fire(document)),
      vscode.workspace.onDidChangeTextDocument(({ document }) => isRecipe(document) && this.#changeSoon(document)),
      vscode.workspace.onDidCloseTextDocument(document => isRecipe(document) && this.#close(document)),
      vscode.window.onDidChangeActiveTextEditor(editor => this.#activate(editor?.document)),
    ];
    this.#activate(vscode.window.activeTextEditor?.document);
  }

  get open(): vscode.TextDocument[] {
    return vscode.workspace.textDocuments.filter(document => isRecipe(document) && !document.isClosed);
  }

  /** The recipe in front, or the last one that was. */
  get active(): vscode.TextDocument | undefined {
    return this.#active && !this.#active.isClosed ? this.#active : this.open[0];
  }

  parsed(document: vscode.TextDocument): ParsedRecipe {
    const known = this.#parsed.get(document);
    if (known?.version === document.version) return known.result;
    const result = parseRecipe(document.getText(), document.uri.fsPath);
    this.#parsed.set(document, { version: document.version, result });
    return result;
  }

  dispose(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  #activate(document: vscode.TextDocument | undefined): void {
    if (!isRecipe(document) || document === this.#active) return;
    this.#active = document;
    this.#activated.fire(document);
  }

  #changeSoon(document: vscode.TextDocument): void {
    clearTimeout(this.#timers.get(document));
    const fire = () => {
      this.#timers.delete(document);
      if (!document.isClosed) this.#changed.fire(document);
    };
    this.#timers.set(document, setTimeout(fire, pauseMs));
  }

  #close(document: vscode.TextDocument): void {
    clearTimeout(this.#timers.get(document));
    this.#timers.delete(document);
    if (this.#active === document) this.#active = undefined;
    this.#closed.fire(document);
  }
}

/** The schema counts from 1, the editor from 0. */
export function toEditorRange(range: {
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
}): vscode.Range {
  return new vscode.Range(range.line - 1, range.column - 1, range.endLine - 1, range.endColumn - 1);
}
