/** The parts of the extension, built in order when a recipe, a run or a command first asks for them. */
import * as vscode from 'vscode';
import { compareRuns } from '../domain/comparison.ts';
import { markdownReport } from '../domain/report.ts';
import { MetricsView } from './panels/metricsView.ts';
import { Panels } from './panels/panels.ts';
import { InlineMetrics } from './recipe/inlineMetrics.ts';
import { registerLanguageFeatures } from './recipe/languageFeatures.ts';
import { RecipeDocuments } from './recipe/recipeDocuments.ts';
import { LiveRuns } from './runs/liveRuns.ts';
import { notifyEnd } from './runs/notifications.ts';
import { PastRuns } from './runs/pastRuns.ts';
import { RunService } from './runs/runService.ts';
import { type RunLease, RunsModel } from './runs/runsModel.ts';
import { type RunsView, registerRunsView } from './runs/runsView.ts';
import { registerStatusBar } from './runs/statusBar.ts';

export class App implements vscode.Disposable {
  readonly extension: vscode.Uri;
  readonly log: vscode.LogOutputChannel;
  readonly recipes: RecipeDocuments;
  readonly model: RunsModel;
  readonly service: RunService;
  readonly panels: Panels;
  readonly view: RunsView;
  readonly inlineMetrics: InlineMetrics;
  readonly #parts: vscode.Disposable[];

  constructor(extension: vscode.Uri, log: vscode.LogOutputChannel) {
    const around = { extension, log };
    this.extension = extension;
    this.log = log;
    this.recipes = new RecipeDocuments();
    this.model = new RunsModel(log);
    this.service = new RunService(extension.fsPath, log);
    this.panels = new Panels(this.model, this.service, around);
    this.view = registerRunsView(this.model);
    this.inlineMetrics = new InlineMetrics(this.recipes, this.model);
    const live = new LiveRuns(this.model);
    const past = new PastRuns(this.model);
    const language = registerLanguageFeatures(this.recipes, past);
    this.#parts = [
      this.recipes,
      this.model,
      this.panels,
      this.view,
      this.inlineMetrics,
      live,
      language,
      registerStatusBar(this.model, live),
      past.onDidChange(() => language.lenses.refresh()),
      live.onDidEnd(run => void notifyEnd(run)),
    ];
  }

  resolveMetrics(view: vscode.WebviewView): void {
    new MetricsView(view, this.model, this.recipes, this);
  }

  selectedRuns(): string[] {
    return this.view.selectedRuns();
  }

  /** Markdown of these runs: the table, the verdicts, what differs. */
  async report(ids: readonly string[]): Promise<string> {
    const leases = ids.map(id => this.model.follow(id)).filter((lease): lease is RunLease => lease !== undefined);
    try {
      await Promise.all(leases.map(({ run }) => run.caughtUp));
      const views = leases.map(({ run }) => run.view());
      const title = [...new Set(views.map(({ name }) => name))].join(', ');
      return markdownReport(compareRuns(views, vscode.l10n.t), { title, translate: vscode.l10n.t });
    } finally {
      for (const lease of leases) lease.dispose();
    }
  }

  dispose(): void {
    for (const part of this.#parts.reverse()) part.dispose();
  }
}
