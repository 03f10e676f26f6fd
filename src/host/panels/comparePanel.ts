/** Chosen runs over each other, the plane of learning against forgetting, and what differs in their settings. */
import * as vscode from 'vscode';
import { compareRuns } from '../../domain/comparison.ts';
import type { PageMemory, PageState } from '../../protocol/panel.ts';
import type { RunsModel } from '../runs/runsModel.ts';
import type { PageBackend, PageCommand } from './pageChannel.ts';
import { createPanel, PagePanel, type PageSurroundings } from './pagePanel.ts';
import { obeyPage } from './runCommands.ts';
import { RunFeed } from './runFeed.ts';

export class ComparePanel implements PageBackend, vscode.Disposable {
  readonly series: RunFeed;
  readonly page: PagePanel;
  readonly runIds: readonly string[];
  readonly #model: RunsModel;
  readonly #listener: vscode.Disposable;

  constructor(panel: vscode.WebviewPanel, runIds: readonly string[], model: RunsModel, around: PageSurroundings) {
    this.#model = model;
    this.runIds = runIds;
    this.series = new RunFeed(model);
    this.page = new PagePanel(panel, 'compare', this, around);
    this.series.channel = this.page.channel;
    // The plane and the verdicts are of all runs together: when one of them ends, all is told anew.
    let told = '';
    this.#listener = model.onDidChange(() => {
      const outcomes = runIds.map(id => `${model.get(id)?.status} ${model.get(id)?.verdict}`).join();
      if (outcomes !== told) this.page.channel.stateChanged();
      told = outcomes;
    });
  }

  static create(runIds: readonly string[], model: RunsModel, around: PageSurroundings): ComparePanel {
    const title = vscode.l10n.t('Compare {0} Runs', runIds.length);
    return new ComparePanel(createPanel('compare', title), runIds, model, around);
  }

  get memory(): PageMemory {
    return { page: 'compare', runs: [...this.runIds], view: {} };
  }

  async state(): Promise<PageState> {
    await this.#model.listed();
    this.series.show(this.runIds);
    return { page: 'compare', comparison: compareRuns(await this.series.views(), vscode.l10n.t) };
  }

  command(command: PageCommand): Promise<void> {
    return obeyPage(command, this.runIds);
  }

  dispose(): void {
    this.#listener.dispose();
    this.page.dispose();
    this.series.dispose();
  }
}
