/** Registers what the editor offers inside a recipe. */
import * as vscode from 'vscode';
import { KeyCompletions } from './completions.ts';
import { RecipeDiagnostics } from './diagnostics.ts';
import { KeyHovers, type PastValues } from './hovers.ts';
import { type LastResults, RecipeLenses } from './lenses.ts';
import { QuickFixes } from './quickFixes.ts';
import { type RecipeDocuments, recipeSelector } from './recipeDocuments.ts';

export interface LanguageFeatures extends vscode.Disposable {
  lenses: RecipeLenses;
}

export function registerLanguageFeatures(
  recipes: RecipeDocuments,
  past: { lastResult: LastResults; values: PastValues },
): LanguageFeatures {
  const lenses = new RecipeLenses(recipes, past.lastResult);
  const fixes = { providedCodeActionKinds: QuickFixes.kinds };
  const registrations = vscode.Disposable.from(
    lenses,
    new RecipeDiagnostics(recipes),
    vscode.languages.registerCodeLensProvider(recipeSelector, lenses),
    vscode.languages.registerCodeActionsProvider(recipeSelector, new QuickFixes(recipes), fixes),
    vscode.languages.registerHoverProvider(recipeSelector, new KeyHovers(past.values)),
    vscode.languages.registerCompletionItemProvider(recipeSelector, new KeyCompletions(), ' ', ':', '['),
  );
  return { lenses, dispose: () => registrations.dispose() };
}
