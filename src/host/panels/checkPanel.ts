/** What a run would do, before it does: the first batch with its loss mask, resolved settings, estimate, problems. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { CheckView, PageMemory, PageState } from '../../protocol/panel.ts';
import type { TrainerEvent } from '../../protocol/trainer.ts';
import { parseRecipe } from '../../recipe/parse.ts';
import { flattenSettings, resolveRecipe } from '../../recipe/resolve.ts';
import type { VariantName } from '../../recipe/schema.ts';
import { errorReport } from '../../runs/runsError.ts';
import type { RecipeText, RunService } from '../runs/runService.ts';
import type { PageBackend, PageCommand } from './pageChannel.ts';
import { createPanel, PagePanel, type PageSurroundings } from './pagePanel.ts';

export interface CheckSubject {
  recipe: RecipeText;
  variant: VariantName;
}

export class CheckPanel implements PageBackend, vscode.Disposable {
  readonly page: PagePanel;
  readonly subject: CheckSubject;
  readonly series = { buckets: () => undefined, since: () => undefined };
  readonly #service: RunService;
  #check: CheckView;
  #running: AbortController | undefined;

  constructor(panel: vscode.WebviewPanel, subject: CheckSubject, service: RunService, around: PageSurroundings) {
    this.subject = subject;
    this.#service = service;
    this.#check = viewOf(subject);
    this.page = new PagePanel(panel, 'check', this, around);
    void this.run(subject.recipe);
  }

  static create(subject: CheckSubject, service: RunService, around: PageSurroundings): CheckPanel {
    const title = vscode.l10n.t('Check {0}', basename(subject.recipe.file));
    return new CheckPanel(createPanel('check', title), subject, service, around);
  }

  /** Checks the text as it is now; an earlier check that is still at work is given up. */
  async run(recipe: RecipeText): Promise<void> {
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    const view = viewOf({ ...this.subject, recipe });
    this.#show(view);
    if (view.problems.every(({ severity }) => severity !== 'error')) {
      const found = await this.#askTrainer(recipe, running.signal);
      if (running.signal.aborted) return;
      Object.assign(view, { ...found, problems: [...view.problems, ...found.problems] });
    }
    this.#running = undefined;
    this.#show(view);
  }

  get memory(): PageMemory {
    const { recipe, variant } = this.#check;
    return { page: 'check', runs: [], recipe, variant, view: {} };
  }

  state(): PageState {
    return { page: 'check', check: this.#check, busy: this.#running !== undefined };
  }

  async command({ command, line }: PageCommand): Promise<void> {
    const uri = vscode.Uri.file(this.subject.recipe.file);
    if (command === 'start') await vscode.commands.executeCommand('holdfast.start', uri);
    else if (command === 'openRecipe') await vscode.commands.executeCommand('holdfast.openRecipeAt', uri, line);
    else throw new Error(vscode.l10n.t('A check has no run to do that with.'));
  }

  dispose(): void {
    this.#running?.abort();
    this.page.dispose();
  }

  #show(check: CheckView): void {
    this.#check = check;
    this.page.channel.stateChanged();
  }

  async #askTrainer(
    recipe: RecipeText,
    signal: AbortSignal,
  ): Promise<Pick<CheckView, 'problems' | 'firstBatch' | 'estimate' | 'prepared'>> {
    try {
      const events = await this.#service.check(recipe, this.subject.variant, signal);
      const last = <T extends TrainerEvent['type']>(type: T) =>
        events.findLast((event): event is Extract<TrainerEvent, { type: T }> => event.type === type) ?? null;
      return {
        problems: [],
        firstBatch: last('firstBatch'),
        estimate: last('estimate'),
        prepared: last('prepared'),
      };
    } catch (error) {
      return { problems: [problemOf(error)], firstBatch: null, estimate: null, prepared: null };
    }
  }
}

function viewOf({ recipe: { file, text }, variant }: CheckSubject): CheckView {
  const { recipe, problems } = parseRecipe(text, file);
  const shown: CheckView['problems'] = problems.map(({ severity, message, remedy, range }) => {
    return { severity, message, remedy, line: range.line };
  });
  let settings: CheckView['settings'] = {};
  try {
    if (recipe) settings = flattenSettings(resolveRecipe(recipe, { variant, fileName: basename(file) }));
  } catch (error) {
    // Not every recipe has what a variant needs.
    shown.push(problemOf(error));
  }
  return {
    recipe: vscode.workspace.asRelativePath(file, false),
    variant,
    problems: shown,
    settings,
    firstBatch: null,
    estimate: null,
    prepared: null,
  };
}

function problemOf(error: unknown): CheckView['problems'][number] {
  const { message, line, remedy } = errorReport(error);
  return { severity: 'error', message, ...(line && { line }), ...(remedy && { remedy }) };
}
