/** Squiggles for what is wrong with open recipes. Says nothing twice where the YAML extension checks the same schema. */
import * as vscode from 'vscode';
import type { Problem } from '../../recipe/problem.ts';
import { type RecipeDocuments, toEditorRange } from './recipeDocuments.ts';

/** What the YAML extension finds by the schema alone; everything else needs to know what a recipe means. */
const foundBySchema = new Set(['unknown-key', 'missing-key', 'wrong-type', 'bad-value', 'bad-name', 'out-of-range']);

export class RecipeDiagnostics implements vscode.Disposable {
  readonly #recipes: RecipeDocuments;
  readonly #collection = vscode.languages.createDiagnosticCollection('holdfast');
  readonly #subscriptions: vscode.Disposable[];

  constructor(recipes: RecipeDocuments) {
    this.#recipes = recipes;
    this.#subscriptions = [
      this.#collection,
      recipes.onDidChange(document => this.#show(document)),
      recipes.onDidClose(document => this.#collection.delete(document.uri)),
      vscode.extensions.onDidChange(() => this.#showAll()),
    ];
    this.#showAll();
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  #showAll(): void {
    for (const document of this.#recipes.open) this.#show(document);
  }

  #show(document: vscode.TextDocument): void {
    const isDoubled = checkedByYamlExtension();
    const problems = this.#recipes.parsed(document).problems.filter(({ code, suggestion }) => {
      // A misspelt key with a known remedy is worth saying in our words: the quick fix hangs on it.
      return !isDoubled || suggestion !== undefined || !foundBySchema.has(code);
    });
    this.#collection.set(document.uri, problems.map(diagnosticOf));
  }
}

function diagnosticOf(problem: Problem): vscode.Diagnostic {
  const text = problem.remedy ? `${problem.message}\n${problem.remedy}` : problem.message;
  const severity = vscode.DiagnosticSeverity[problem.severity === 'error' ? 'Error' : 'Warning'];
  const diagnostic = new vscode.Diagnostic(toEditorRange(problem.range), text, severity);
  diagnostic.source = 'Holdfast';
  diagnostic.code = problem.code;
  return diagnostic;
}

function checkedByYamlExtension(): boolean {
  const yaml = vscode.extensions.getExtension('redhat.vscode-yaml');
  return yaml?.isActive === true && vscode.workspace.getConfiguration('yaml').get<boolean>('validate') !== false;
}
