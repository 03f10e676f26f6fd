/** Repairs for what the diagnostics find: a misspelt or foreign key, a recipe that watches nothing, missing replay data. */
import * as vscode from 'vscode';
import { meantKey } from '../../recipe/keyNames.ts';
import type { Problem } from '../../recipe/problem.ts';
import { type RecipeDocuments, toEditorRange } from './recipeDocuments.ts';
import { addReplay, addRetain, moveKey } from './recipeEdits.ts';

export class QuickFixes implements vscode.CodeActionProvider {
  static readonly kinds = [vscode.CodeActionKind.QuickFix];
  readonly #recipes: RecipeDocuments;

  constructor(recipes: RecipeDocuments) {
    this.#recipes = recipes;
  }

  provideCodeActions(
    document: vscode.TextDocument,
    range: vscode.Range,
    context: vscode.CodeActionContext,
  ): vscode.CodeAction[] {
    const { problems, recipe } = this.#recipes.parsed(document);
    const here = problems.filter(problem => toEditorRange(problem.range).intersection(range));
    const fixes = here.flatMap(problem => fixesOf(document, problem, context.diagnostics));
    // Offered when asked for; a bulb on the first line of every recipe would be noise.
    const isAsked = context.triggerKind === vscode.CodeActionTriggerKind.Invoke;
    if (isAsked && range.start.line === 0 && recipe && !recipe.method.replay) fixes.push(replayFix(document));
    return fixes;
  }
}

function replayFix(document: vscode.TextDocument): vscode.CodeAction {
  const fix = new vscode.CodeAction(vscode.l10n.t('Add replay data'), vscode.CodeActionKind.QuickFix);
  fix.edit = addReplay(document);
  return fix;
}

function fixesOf(
  document: vscode.TextDocument,
  problem: Problem,
  shown: readonly vscode.Diagnostic[],
): vscode.CodeAction[] {
  const range = toEditorRange(problem.range);
  const fix = (title: string, edit: vscode.WorkspaceEdit): vscode.CodeAction => {
    const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
    action.edit = edit;
    action.isPreferred = true;
    action.diagnostics = shown.filter(({ range: at, source }) => source === 'Holdfast' && at.isEqual(range));
    return action;
  };
  const key = String(problem.path.at(-1) ?? '');
  if (problem.suggestion) {
    const edit = new vscode.WorkspaceEdit();
    edit.replace(document.uri, range, problem.suggestion);
    return [fix(vscode.l10n.t('Write "{0}" instead of "{1}"', problem.suggestion, document.getText(range)), edit)];
  }
  if (problem.code === 'unknown-key' || problem.code === 'foreign-key') {
    const meant = meantKey(problem.path.slice(0, -1).join('.'), key)?.key;
    const edit = meant && moveKey(document, range.start.line, meant);
    return meant && edit ? [fix(vscode.l10n.t('Move to "{0}"', meant), edit)] : [];
  }
  if (problem.code === 'no-retain')
    return [fix(vscode.l10n.t('Add a section that watches for forgetting'), addRetain(document))];
  return [];
}
