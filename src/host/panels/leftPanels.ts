/**
 * When the extension host dies, VS Code leaves its panels standing, and nobody answers their pages ever again. What is
 * open is therefore remembered; the next host puts a new panel in the place of each as soon as it is in front. After a
 * reload of the window the editor restores them itself, and then there is nothing to do. Knows nothing of what is shown.
 */
import * as vscode from 'vscode';
import type { PageMemory } from '../../protocol/panel.ts';

export interface OpenPanel {
  key: string;
  title: string;
  memory: PageMemory;
}

/** The panels of this host. */
export interface PanelKeeper {
  readonly onDidChangeOpen: vscode.Event<void>;
  openPanels(): OpenPanel[];
  isOpen(key: string): boolean;
  restore(panel: vscode.WebviewPanel, memory: PageMemory): Promise<void>;
}

const memoryKey = 'openPanels';
/** Longer than the editor takes to hand over a panel that it restores itself, once it may or the panel is in front. */
const patienceMs = 500;

export class LeftPanels implements vscode.Disposable {
  readonly #memory: vscode.Memento;
  readonly #panels: PanelKeeper;
  readonly #listeners: vscode.Disposable[];
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Those of the host before that nobody has come back for. */
  #left: OpenPanel[];

  /** `sinceMs`: how long ago the editor was told that panels can be restored. */
  constructor(memory: vscode.Memento, panels: PanelKeeper, sinceMs: number) {
    this.#memory = memory;
    this.#panels = panels;
    this.#left = memory.get<OpenPanel[]>(memoryKey, []);
    this.#listeners = [
      panels.onDidChangeOpen(() => this.#save()),
      vscode.window.tabGroups.onDidChangeTabs(() => this.#look()),
    ];
    this.#look(Math.max(0, patienceMs - sinceMs));
  }

  dispose(): void {
    for (const listener of this.#listeners) listener.dispose();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #save(): void {
    this.#left = this.#left.filter(({ key }) => !this.#panels.isOpen(key));
    void this.#memory.update(memoryKey, [...this.#panels.openPanels(), ...this.#left]);
  }

  #look(waitMs = patienceMs): void {
    this.#left = this.#left.filter(left => allTabs().some(tab => isOf(left, tab)));
    for (const left of this.#left) {
      if (!inFront(left)) continue;
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        void this.#replace(left);
      }, waitMs);
      this.#timers.add(timer);
    }
  }

  async #replace(left: OpenPanel): Promise<void> {
    const tab = inFront(left);
    if (!tab || !this.#left.includes(left) || this.#panels.isOpen(left.key)) return;
    this.#left = this.#left.filter(other => other !== left);
    const place = { viewColumn: tab.group.viewColumn, preserveFocus: true };
    const panel = vscode.window.createWebviewPanel(`holdfast.${left.memory.page}`, left.title, place);
    await this.#panels.restore(panel, left.memory);
    await vscode.window.tabGroups.close(tab, true);
  }
}

const allTabs = (): vscode.Tab[] => vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs);

const inFront = (left: OpenPanel): vscode.Tab | undefined => allTabs().find(tab => tab.isActive && isOf(left, tab));

/** The editor writes a prefix before the type of a panel. */
function isOf({ title, memory }: OpenPanel, { label, input }: vscode.Tab): boolean {
  return (
    label === title && input instanceof vscode.TabInputWebview && input.viewType.endsWith(`-holdfast.${memory.page}`)
  );
}
