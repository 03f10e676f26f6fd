/**
 * The last run at the ends of the recipe's lines: loss at `train`, KL at `regularize`, forgetting and verdict at each
 * probe set. Block characters in theme colours; a picture only on hover. Never inside a line, never a line of its own.
 */
import * as vscode from 'vscode';
import type { MetricSeries } from '../../domain/metricSeries.ts';
import type { RunState } from '../../domain/runState.ts';
import { sparkline } from '../../domain/sparkline.ts';
import { formatNumber, setSentence } from '../../domain/words.ts';
import { autoSet } from '../../recipe/autoSet.ts';
import type { KeyPath } from '../../recipe/problem.ts';
import { plain } from '../markdown.ts';
import type { RunLease, RunsModel } from '../runs/runsModel.ts';
import { runLabel, signed } from '../runs/runWords.ts';
import { readSettings } from '../settings.ts';
import { hoverChart } from './hoverChart.ts';
import { isRecipe, type RecipeDocuments } from './recipeDocuments.ts';

interface InlineMetric {
  path: KeyPath;
  series: MetricSeries;
  text: string;
  colour: string;
  about: string;
}

/** At most four updates a second. */
const pauseMs = 250;

export class InlineMetrics implements vscode.Disposable {
  readonly #recipes: RecipeDocuments;
  readonly #model: RunsModel;
  readonly #decoration = vscode.window.createTextEditorDecorationType({
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  readonly #leases = new Map<string, { lease: RunLease; listener: vscode.Disposable }>();
  readonly #subscriptions: vscode.Disposable[];
  #timer: NodeJS.Timeout | undefined;
  /** Text at line ends as last drawn, by line. For tests. */
  shown = new Map<number, string>();

  constructor(recipes: RecipeDocuments, model: RunsModel) {
    this.#recipes = recipes;
    this.#model = model;
    this.#subscriptions = [
      this.#decoration,
      recipes.onDidChange(() => this.#drawSoon()),
      model.onDidChange(() => this.#drawSoon()),
      vscode.window.onDidChangeVisibleTextEditors(() => this.#drawSoon()),
      vscode.workspace.onDidChangeConfiguration(event => event.affectsConfiguration('holdfast') && this.#drawSoon()),
    ];
    this.#drawSoon();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const id of this.#leases.keys()) this.#release(id);
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  #drawSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#draw();
    }, pauseMs);
  }

  #draw(): void {
    const isOn = readSettings().inlineMetrics;
    const wanted = new Set<string>();
    for (const editor of vscode.window.visibleTextEditors) {
      if (!isRecipe(editor.document)) continue;
      const run = isOn ? this.#runFor(editor.document) : undefined;
      if (run) wanted.add(run);
      const lease = run && this.#hold(run);
      editor.setDecorations(this.#decoration, lease ? this.#decorate(editor.document, lease) : []);
    }
    for (const id of this.#leases.keys()) if (!wanted.has(id)) this.#release(id);
  }

  /** The newest run that has told something. */
  #runFor(document: vscode.TextDocument): string | undefined {
    return this.#model.ofRecipe(document.uri.fsPath).find(({ status }) => status !== 'queued')?.id;
  }

  #hold(id: string): RunLease | undefined {
    const known = this.#leases.get(id);
    if (known) return known.lease;
    const lease = this.#model.follow(id);
    if (!lease) return undefined;
    this.#leases.set(id, { lease, listener: lease.run.onDidChange(() => this.#drawSoon()) });
    void lease.run.caughtUp.then(() => this.#drawSoon());
    return lease;
  }

  #release(id: string): void {
    const held = this.#leases.get(id);
    this.#leases.delete(id);
    held?.listener.dispose();
    held?.lease.dispose();
  }

  #decorate(document: vscode.TextDocument, { run }: RunLease): vscode.DecorationOptions[] {
    const { rangeOf } = this.#recipes.parsed(document);
    const entry = this.#model.get(run.id);
    const title = entry ? runLabel(entry) : run.id;
    this.shown = new Map();
    const byLine = new Map<number, vscode.DecorationOptions>();
    for (const metric of metricsOf(run.state)) {
      // `retain: auto` has no key of its own.
      const isAuto = metric.path[1] === autoSet;
      const line = lineOf(rangeOf(metric.path) ?? (isAuto ? rangeOf(['retain']) : undefined));
      if (line === undefined || line >= document.lineCount || byLine.has(line)) continue;
      byLine.set(line, optionsFor(document.lineAt(line).range.end, metric, title));
      this.shown.set(line, metric.text);
    }
    return [...byLine.values()];
  }
}

const lineOf = (range: { line: number } | undefined): number | undefined => range && range.line - 1;

function metricsOf(state: RunState): InlineMetric[] {
  const metrics: InlineMetric[] = [];
  const add = (path: KeyPath, name: string, about: string, more: Partial<InlineMetric> = {}) => {
    const series = state.series.get(name);
    if (series?.last == null) return;
    metrics.push({
      path,
      series,
      about,
      text: `${drawn(series)} ${formatNumber(series.last)}`,
      colour: 'holdfast.inlineMetrics',
      ...more,
    });
  };
  add(['train'], 'loss', vscode.l10n.t('Loss on the task rows, nats per token'));
  const kl = state.series.has('penalty.kl') ? 'penalty.kl' : 'kl.train';
  add(['method', 'regularize'], kl, vscode.l10n.t('KL to the base, nats per token'));
  for (const [set, score] of Object.entries(state.evaluations.newest?.forgetting ?? {})) {
    const series = state.series.get(`forgetting.${set}`);
    const verdict = score.verdict ? ` ${vscode.l10n.t(score.verdict)}` : '';
    const colour = { kept: 'holdfast.kept', forgot: 'holdfast.forgot', 'cannot tell': 'holdfast.cannotTell' }[
      score.verdict ?? 'cannot tell'
    ];
    if (!series) continue;
    add(
      set === autoSet ? ['retain', set] : ['retain', 'probes', set],
      `forgetting.${set}`,
      setSentence(set, score, vscode.l10n.t),
      {
        text: `${drawn(series)} ${signed(score.value)}${verdict}`,
        colour: score.verdict ? colour : 'holdfast.inlineMetrics',
      },
    );
  }
  return metrics;
}

const drawn = (series: MetricSeries): string => sparkline(series.buckets(undefined, undefined, 24).last);

function optionsFor(
  end: vscode.Position,
  { text, colour, series, about }: InlineMetric,
  title: string,
): vscode.DecorationOptions {
  const hover = new vscode.MarkdownString('', true);
  hover
    .appendMarkdown('**')
    .appendMarkdown(plain(title))
    .appendMarkdown('**  \n')
    .appendMarkdown(plain(about))
    .appendMarkdown(`\n\n${hoverChart(series)}`);
  return {
    range: new vscode.Range(end, end),
    hoverMessage: hover,
    renderOptions: { after: { contentText: text, color: new vscode.ThemeColor(colour), margin: '0 0 0 3em' } },
  };
}
