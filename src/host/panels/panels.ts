/** The open panels: one a run, one a set of compared runs, one a checked recipe; found again after a reload. */
import { isAbsolute, join } from 'node:path';
import * as vscode from 'vscode';
import { type PageMemory, pageMemorySchema } from '../../protocol/panel.ts';
import { type VariantName, variantNames } from '../../recipe/schema.ts';
import type { RecipeText, RunService } from '../runs/runService.ts';
import type { RunsModel } from '../runs/runsModel.ts';
import { CheckPanel } from './checkPanel.ts';
import { ComparePanel } from './comparePanel.ts';
import type { OpenPanel, PanelKeeper } from './leftPanels.ts';
import type { PageSurroundings } from './pagePanel.ts';
import { RunPanel } from './runPanel.ts';

type AnyPanel = RunPanel | ComparePanel | CheckPanel;

export class Panels implements PanelKeeper, vscode.Disposable {
  readonly #model: RunsModel;
  readonly #service: RunService;
  readonly #around: PageSurroundings;
  readonly #open = new Map<string, AnyPanel>();
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChangeOpen = this.#changed.event;

  constructor(model: RunsModel, service: RunService, around: PageSurroundings) {
    this.#model = model;
    this.#service = service;
    this.#around = around;
  }

  showRun(id: string): void {
    const open = this.#open.get(`run:${id}`);
    const run = this.#model.get(id);
    if (open) open.page.reveal();
    else if (run) this.#keep(`run:${id}`, RunPanel.create(run, this.#model, this.#around));
  }

  compare(ids: readonly string[]): void {
    const key = compareKey(ids);
    const open = this.#open.get(key);
    if (open) open.page.reveal();
    else this.#keep(key, ComparePanel.create(ids, this.#model, this.#around));
  }

  check(recipe: RecipeText, variant: VariantName): void {
    const key = `check:${recipe.file}`;
    const open = this.#open.get(key);
    if (open instanceof CheckPanel) {
      void open.run(recipe);
      open.page.reveal();
    } else this.#keep(key, CheckPanel.create({ recipe, variant }, this.#service, this.#around));
  }

  /** A panel comes back with what its page kept; one whose memory is no use, or that is there already, is closed. */
  async restore(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const memory = pageMemorySchema.safeParse(state).data;
    const restored = memory && (await this.#restored(memory));
    if (!restored || this.#open.has(restored.key)) panel.dispose();
    else this.#keep(restored.key, restored.make(panel));
  }

  async #restored(memory: PageMemory): Promise<Restored | undefined> {
    const { page, runs, recipe, variant } = memory;
    const [run] = runs;
    if (page === 'run' && run) {
      return { key: `run:${run}`, make: panel => new RunPanel(panel, run, this.#model, this.#around) };
    }
    if (page === 'compare') {
      return { key: compareKey(runs), make: panel => new ComparePanel(panel, runs, this.#model, this.#around) };
    }
    const subject = page === 'check' ? await checkSubject(recipe, variant) : undefined;
    return (
      subject && {
        key: `check:${subject.recipe.file}`,
        make: panel => new CheckPanel(panel, subject, this.#service, this.#around),
      }
    );
  }

  /** What is open: `run:<id>`, `compare:<ids>`, `check:<file>`. For tests. */
  get open(): ReadonlyMap<string, AnyPanel> {
    return this.#open;
  }

  openPanels(): OpenPanel[] {
    return [...this.#open].map(([key, { page, memory }]) => ({ key, title: page.panel.title, memory }));
  }

  isOpen(key: string): boolean {
    return this.#open.has(key);
  }

  dispose(): void {
    for (const panel of this.#open.values()) panel.dispose();
    this.#changed.dispose();
  }

  #keep(key: string, opened: AnyPanel): void {
    this.#open.set(key, opened);
    opened.page.panel.onDidDispose(() => {
      opened.dispose();
      if (this.#open.get(key) !== opened) return;
      this.#open.delete(key);
      this.#changed.fire();
    });
    opened.page.onDidRename(() => this.#changed.fire());
    this.#changed.fire();
  }
}

interface Restored {
  key: string;
  make(panel: vscode.WebviewPanel): AnyPanel;
}

const compareKey = (ids: readonly string[]): string => `compare:${ids.toSorted().join(',')}`;

/** The page keeps the recipe as it was shown: relative to the workspace. Only recipes of the workspace are read again. */
async function checkSubject(recipe: string | undefined, variant: string | undefined) {
  const folders = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
  const candidates = !recipe ? [] : isAbsolute(recipe) ? [recipe] : folders.map(folder => join(folder, recipe));
  for (const file of candidates) {
    const uri = vscode.Uri.file(file);
    if (!vscode.workspace.getWorkspaceFolder(uri) || !/\.tune\.ya?ml$/.test(file)) continue;
    try {
      const text = (await vscode.workspace.openTextDocument(uri)).getText();
      return { recipe: { file, text }, variant: variantNames.find(name => name === variant) ?? 'as-written' };
    } catch {
      // Gone meanwhile: the panel has nothing left to show.
    }
  }
  return undefined;
}
