/** One run beside its recipe. Opened for a run, it stays with that run, also over a reload. */
import type * as vscode from 'vscode';
import type { PageMemory, PageState } from '../../protocol/panel.ts';
import type { RunEntry, RunsModel } from '../runs/runsModel.ts';
import { runLabel } from '../runs/runWords.ts';
import type { PageBackend, PageCommand } from './pageChannel.ts';
import { createPanel, PagePanel, type PageSurroundings } from './pagePanel.ts';
import { obeyPage } from './runCommands.ts';
import { RunFeed } from './runFeed.ts';

export class RunPanel implements PageBackend, vscode.Disposable {
  readonly runId: string;
  readonly series: RunFeed;
  readonly page: PagePanel;
  readonly #model: RunsModel;
  readonly #listener: vscode.Disposable;

  constructor(panel: vscode.WebviewPanel, runId: string, model: RunsModel, around: PageSurroundings) {
    this.runId = runId;
    this.#model = model;
    this.series = new RunFeed(model);
    this.page = new PagePanel(panel, 'run', this, around);
    this.series.channel = this.page.channel;
    // After a reload the panel may be there before the list of runs is; and the run may be deleted, and come back.
    this.#listener = model.onDidChange(({ ids }) => {
      if (!ids.has(runId)) return;
      this.#nameTab();
      if (this.series.ids.length === 0 || !model.get(runId)) this.page.channel.stateChanged();
    });
  }

  static create(run: RunEntry, model: RunsModel, around: PageSurroundings): RunPanel {
    return new RunPanel(createPanel('run', runLabel(run)), run.id, model, around);
  }

  get memory(): PageMemory {
    return { page: 'run', runs: [this.runId], view: {} };
  }

  async state(): Promise<PageState> {
    await this.#model.listed();
    this.series.show([this.runId]);
    const [run] = await this.series.views();
    this.#nameTab();
    return { page: 'run', run: run ?? null };
  }

  command(command: PageCommand): Promise<void> {
    return obeyPage(command, [this.runId]);
  }

  dispose(): void {
    this.#listener.dispose();
    this.page.dispose();
    this.series.dispose();
  }

  #nameTab(): void {
    const entry = this.#model.get(this.runId);
    if (entry) this.page.rename(runLabel(entry));
  }
}
