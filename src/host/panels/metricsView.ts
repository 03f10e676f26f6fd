/** The docked view: the lanes in small, of the newest run of the recipe that is in front. */
import * as vscode from 'vscode';
import type { PageState } from '../../protocol/panel.ts';
import type { RecipeDocuments } from '../recipe/recipeDocuments.ts';
import type { RunsModel } from '../runs/runsModel.ts';
import { type PageBackend, PageChannel, type PageCommand } from './pageChannel.ts';
import { pageHtml, pageOptions } from './pageHtml.ts';
import type { PageSurroundings } from './pagePanel.ts';
import { obeyPage } from './runCommands.ts';
import { RunFeed } from './runFeed.ts';

export class MetricsView implements PageBackend, vscode.Disposable {
  readonly series: RunFeed;
  readonly #model: RunsModel;
  readonly #recipes: RecipeDocuments;
  readonly channel: PageChannel;
  readonly #subscriptions: vscode.Disposable[];
  #shown: string | undefined;

  constructor(view: vscode.WebviewView, model: RunsModel, recipes: RecipeDocuments, around: PageSurroundings) {
    this.#model = model;
    this.#recipes = recipes;
    this.series = new RunFeed(model);
    view.webview.options = pageOptions;
    this.channel = new PageChannel(view.webview, this, around.log);
    this.series.channel = this.channel;
    this.#subscriptions = [
      recipes.onDidActivate(() => this.#follow()),
      model.onDidChange(() => this.#follow()),
      view.onDidDispose(() => this.dispose()),
    ];
    view.webview.html = pageHtml(around.extension, 'metrics', view.title ?? '');
  }

  async state(): Promise<PageState> {
    await this.#model.listed();
    this.#shown = this.#wanted();
    this.series.show(this.#shown ? [this.#shown] : []);
    const [run] = await this.series.views();
    return { page: 'metrics', run: run ?? null };
  }

  command(command: PageCommand): Promise<void> {
    // Without a run there is still a recipe that one could be started from.
    const isStart = command.command === 'openRecipe' && !this.#shown;
    return isStart ? openRecipe(this.#recipes.active?.uri) : obeyPage(command, this.#shown ? [this.#shown] : []);
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.channel.dispose();
    this.series.dispose();
  }

  #follow(): void {
    if (this.#wanted() !== this.#shown) this.channel.stateChanged();
  }

  /** The run that is going on before the newest: a queue behind it has nothing to show yet. */
  #wanted(): string | undefined {
    const recipe = this.#recipes.active?.uri.fsPath;
    const runs = recipe ? this.#model.ofRecipe(recipe) : this.#model.runs;
    return (
      runs.find(({ status }) => status === 'running') ??
      runs.find(({ status }) => status !== 'queued') ??
      runs[0]
    )?.id;
  }
}

async function openRecipe(uri: vscode.Uri | undefined): Promise<void> {
  await vscode.commands.executeCommand('holdfast.openRecipeAt', uri);
}
