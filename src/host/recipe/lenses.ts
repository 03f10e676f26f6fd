/** The line of actions on top of a recipe, always there so that nothing jumps, ending in what the last run got. */
import * as vscode from 'vscode';
import type { Recipe, VariantName } from '../../recipe/schema.ts';
import { availableVariants } from '../../recipe/variants.ts';
import { type RecipeDocuments, recipeSelector } from './recipeDocuments.ts';

/** What the last run of a recipe got, short enough for a lens. */
export interface LastResult {
  run: string;
  text: string;
}
export type LastResults = (document: vscode.TextDocument) => LastResult | undefined;

/** The first is longer than VS Code usually takes to ask for lenses, the last longer than it ever puts the question off. */
const reminders = [1, 2, 4, 8, 16, 32, 64].map(seconds => seconds * 1000);

export class RecipeLenses implements vscode.CodeLensProvider, vscode.Disposable {
  readonly #recipes: RecipeDocuments;
  readonly #lastResult: LastResults;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscriptions: vscode.Disposable[];
  #visible: readonly vscode.TextEditor[] = [];
  /** Recipes on screen that VS Code has not asked for since they came there. */
  readonly #awaited = new Set<vscode.TextDocument>();
  #reminder: NodeJS.Timeout | undefined;
  readonly onDidChangeCodeLenses = this.#changed.event;

  constructor(recipes: RecipeDocuments, lastResult: LastResults) {
    this.#recipes = recipes;
    this.#lastResult = lastResult;
    this.#subscriptions = [
      this.#changed,
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.#changed.fire()),
      vscode.window.onDidChangeVisibleTextEditors(editors => this.#expectQuestions(editors)),
    ];
    this.#expectQuestions(vscode.window.visibleTextEditors);
  }

  refresh(): void {
    this.#changed.fire();
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    this.#awaited.delete(document);
    const top = new vscode.Range(0, 0, 0, 0);
    return this.#commands(document).map(command => new vscode.CodeLens(top, command));
  }

  dispose(): void {
    clearTimeout(this.#reminder);
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  /**
   * VS Code drops its question for lenses when an editor loses the focus just after it opened, and shows none then, or those it
   * remembers, which cannot be clicked. So it is told of a change until it has asked.
   */
  #expectQuestions(editors: readonly vscode.TextEditor[]): void {
    for (const { document } of editors.filter(editor => !this.#visible.includes(editor))) {
      if (vscode.languages.match(recipeSelector, document) > 0) this.#awaited.add(document);
    }
    const onScreen = new Set(editors.map(({ document }) => document));
    for (const document of this.#awaited) if (!onScreen.has(document)) this.#awaited.delete(document);
    this.#visible = editors;
    this.#remind(reminders);
  }

  #remind([wait, ...rest]: number[]): void {
    clearTimeout(this.#reminder);
    if (wait === undefined || this.#awaited.size === 0) return;
    this.#reminder = setTimeout(() => {
      if (this.#awaited.size > 0) this.#changed.fire();
      this.#remind(rest);
    }, wait);
  }

  #commands(document: vscode.TextDocument): vscode.Command[] {
    const { t } = vscode.l10n;
    const { recipe, rangeOf } = this.#recipes.parsed(document);
    const actions = [
      action(document, 'holdfast.start', `$(play) ${t('Start Fine-Tune')}`, t('Run the recipe as it is written')),
      ...variantActions(document, recipe),
      action(
        document,
        'holdfast.compare',
        t('Compare'),
        t('Run plain tuning and each method, one after the other, and compare them'),
      ),
      action(
        document,
        'holdfast.check',
        t('Check'),
        t('Show the first batch, every default and an estimate; nothing is trained'),
      ),
      ...(rangeOf(['sweep']) ? [sweepAction(document)] : []),
    ];
    return [...(vscode.workspace.isTrusted ? actions : actions.map(leadToTrust)), this.#result(document)];
  }

  #result(document: vscode.TextDocument): vscode.Command {
    const { t } = vscode.l10n;
    const last = this.#lastResult(document);
    if (!last) return { command: '', title: t('no run yet') };
    return { command: 'holdfast.showRun', title: last.text, tooltip: t('Show the last run'), arguments: [last.run] };
  }
}

function variantActions(document: vscode.TextDocument, recipe: Recipe | null): vscode.Command[] {
  const { t } = vscode.l10n;
  const lacks = new Map(recipe ? availableVariants(recipe).map(({ name, reason }) => [name, reason]) : []);
  const variant = (name: VariantName, title: string, tooltip: string): vscode.Command => {
    const lack = lacks.get(name);
    if (!lack) return action(document, `holdfast.start${title}`, t(title), tooltip);
    const needs = t('{0}: {1}…', t(title), lack);
    return { command: 'holdfast.addMissing', title: needs, tooltip, arguments: [document.uri, name] };
  };
  return [
    variant('plain', 'Plain', t('Run without any method, for comparison')),
    variant('replay', 'Replay', t('Run with replay rows as the only method')),
    variant('regularized', 'Regularized', t('Run with the penalty as the only method')),
    variant('narrow', 'Narrow', t('Run with few trained tensors as the only method')),
  ];
}

/** Behind the others, which stay where they are; there also while the recipe has an error. */
const sweepAction = (document: vscode.TextDocument): vscode.Command =>
  action(
    document,
    'holdfast.sweep',
    vscode.l10n.t('Sweep'),
    vscode.l10n.t('Run every combination of the values under sweep, one after the other, and compare them'),
  );

function action(document: vscode.TextDocument, command: string, title: string, tooltip: string): vscode.Command {
  return { command, title, tooltip, arguments: [document.uri] };
}

function leadToTrust(command: vscode.Command): vscode.Command {
  const tooltip = vscode.l10n.t('This folder is not trusted, so nothing is started. Click to manage trust.');
  return { ...command, command: 'workbench.trust.manage', tooltip, arguments: [] };
}
