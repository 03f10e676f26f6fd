/** The parts of the extension, built in order when a recipe, a run or a command first asks for them. */
import type * as vscode from 'vscode';
import { LeftPanels } from './panels/leftPanels.ts';
import { MetricsView } from './panels/metricsView.ts';
import { Panels } from './panels/panels.ts';
import { InlineMetrics } from './recipe/inlineMetrics.ts';
import { registerLanguageFeatures } from './recipe/languageFeatures.ts';
import { RecipeDocuments } from './recipe/recipeDocuments.ts';
import { askForLeftAlone, isLeftAlone } from './runs/leftAlone.ts';
import { LiveRuns } from './runs/liveRuns.ts';
import { watchNotes } from './runs/notes.ts';
import { notifyEnd, notifyHold } from './runs/notifications.ts';
import { registerPastRecipes } from './runs/pastRecipe.ts';
import { PastRuns } from './runs/pastRuns.ts';
import { QueueModel } from './runs/queueModel.ts';
import { registerRowColours } from './runs/runRows.ts';
import { RunService } from './runs/runService.ts';
import { type RunEntry, RunsModel } from './runs/runsModel.ts';
import { RunsTree } from './runs/runsTree.ts';
import type { RunsView } from './runs/runsView.ts';
import { ServedQueues } from './runs/servedQueues.ts';
import { registerStatusBar } from './runs/statusBar.ts';

export class App implements vscode.Disposable {
  readonly extension: vscode.Uri;
  readonly log: vscode.LogOutputChannel;
  readonly recipes: RecipeDocuments;
  readonly model: RunsModel;
  readonly service: RunService;
  readonly panels: Panels;
  readonly queues: QueueModel;
  readonly tree: RunsTree;
  readonly inlineMetrics: InlineMetrics;
  /** The docked view, once it was shown. */
  metrics: MetricsView | undefined;
  readonly #view: RunsView;
  readonly #memory: vscode.Memento;
  readonly #parts: vscode.Disposable[];

  /** `activatedAt` by the clock of `performance`: since then the editor may restore panels. */
  constructor(
    extension: vscode.Uri,
    log: vscode.LogOutputChannel,
    view: RunsView,
    memory: vscode.Memento,
    activatedAt: number,
  ) {
    this.#memory = memory;
    const around = { extension, log };
    this.extension = extension;
    this.log = log;
    this.recipes = new RecipeDocuments();
    this.model = new RunsModel(log);
    this.service = new RunService(extension.fsPath, log);
    this.panels = new Panels(this.model, this.service, around);
    this.#view = view;
    this.queues = new QueueModel(this.model, log);
    this.tree = new RunsTree(this.model, this.queues);
    this.inlineMetrics = new InlineMetrics(this.recipes, this.model);
    const live = new LiveRuns(this.model);
    const past = new PastRuns(this.model);
    const language = registerLanguageFeatures(this.recipes, past);
    this.#parts = [
      this.recipes,
      this.model,
      this.panels,
      new LeftPanels(memory, this.panels, performance.now() - activatedAt),
      this.queues,
      this.tree,
      view.attach(this.tree, this.model),
      this.inlineMetrics,
      live,
      past,
      language,
      registerStatusBar(this.model, live),
      registerPastRecipes(this.model),
      registerRowColours(),
      watchNotes(this.model),
      past.onDidChange(() => language.lenses.refresh()),
      live.onDidEnd(run => this.#ended(run)),
      this.queues.onDidHold(run => void notifyHold(run, this.model)),
    ];
  }

  /** Resolves once the runs are known; those that wait get a runner where none lives. */
  async begin(): Promise<void> {
    await this.model.refresh();
    await this.queues.refresh();
    this.#parts.push(new ServedQueues(this.model, this.queues, this.service, this.log));
    void this.#askForLeftAlone(this.model.runs);
  }

  /** One whose runner died under this window's eyes may go on; what became of its group is told all the same. */
  #ended(run: RunEntry): void {
    if (isLeftAlone(run)) void this.#askForLeftAlone([run]);
    if (!isLeftAlone(run) || run.group) void notifyEnd(run, this.model);
  }

  #askForLeftAlone(runs: readonly RunEntry[]): Promise<void> {
    return askForLeftAlone(runs, this.#memory).catch(error => this.log.error(error));
  }

  resolveMetrics(view: vscode.WebviewView): void {
    this.metrics = new MetricsView(view, this.model, this.recipes, this);
  }

  selectedRuns(): string[] {
    return this.#view.selectedRuns;
  }

  dispose(): void {
    for (const part of this.#parts.reverse()) part.dispose();
  }
}
