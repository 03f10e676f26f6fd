/** What past runs of a recipe got: the end of the lens line, and results at other values of a key. */
import * as vscode from 'vscode';
import { formatNumber } from '../../domain/words.ts';
import { flattenSettings } from '../../recipe/resolve.ts';
import type { PastValue } from '../recipe/hovers.ts';
import type { LastResult } from '../recipe/lenses.ts';
import { isLive, type RunEntry, type RunsModel } from './runsModel.ts';
import { runIcon, statusWords, verdictWords } from './runWords.ts';

/** Enough to see a trend in a hover. */
const mostValues = 8;

export class PastRuns implements vscode.Disposable {
  readonly #model: RunsModel;
  readonly #settings = new Map<string, Promise<Record<string, string>>>();
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #listener: vscode.Disposable;
  #told = '';
  /** A last result reads differently. */
  readonly onDidChange = this.#changed.event;

  constructor(model: RunsModel) {
    this.#model = model;
    this.#listener = model.onDidChange(() => this.#tell());
  }

  dispose(): void {
    this.#listener.dispose();
    this.#changed.dispose();
  }

  readonly lastResult = (document: vscode.TextDocument): LastResult | undefined => {
    return lastOf(this.#model.ofRecipe(document.uri.fsPath));
  };

  readonly values = async (document: vscode.TextDocument, key: string): Promise<PastValue[]> => {
    const runs = this.#model.ofRecipe(document.uri.fsPath).filter(run => !isLive(run) && run.loss !== null);
    const found: PastValue[] = [];
    for (const run of runs) {
      const value = (await this.#settingsOf(run))[key];
      if (value !== undefined) found.push({ value, result: resultWords(run) });
      if (found.length === mostValues) break;
    }
    return found;
  };

  /** Steps are not in it, so that lenses are drawn when something happened and not all the time. */
  #tell(): void {
    const told = [...this.#model.byRecipe.values()].map(runs => lastOf(runs)?.text).join('\n');
    if (told === this.#told) return;
    this.#told = told;
    this.#changed.fire();
  }

  /** A request never changes. */
  #settingsOf(run: RunEntry): Promise<Record<string, string>> {
    const known = this.#settings.get(run.id);
    if (known) return known;
    const read = run.folder.request().then(
      request => (request ? flattenSettings(request.recipe) : {}),
      () => ({}),
    );
    this.#settings.set(run.id, read);
    return read;
  }
}

function lastOf(runs: readonly RunEntry[]): LastResult | undefined {
  const run = runs.find(({ status }) => status !== 'queued') ?? runs[0];
  if (!run) return undefined;
  const isOver = run.status === 'finished' || run.status === 'stopped';
  const words =
    run.status === 'running' ? vscode.l10n.t('running') : isOver && run.verdict ? verdictWords(run) : statusWords(run);
  return { run: run.id, text: `$(${runIcon(run).id}) ${run.variant}: ${words}` };
}

function resultWords(run: RunEntry): string {
  const loss = run.loss === null ? '' : vscode.l10n.t('loss {0}', formatNumber(run.loss));
  return [run.variant, loss, verdictWords(run)].filter(Boolean).join(', ');
}
