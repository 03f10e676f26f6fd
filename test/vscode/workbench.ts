/**
 * VS Code as a user sees it: a server, a browser, and the hands and eyes for both. Knows the editor, not Holdfast. Everything
 * here waits for states of the page; nothing waits for a time.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Frame, Locator, Page } from 'playwright-core';
import { openBrowser } from './browser.ts';
import { type ServerOptions, startServer, type VsCodeServer } from './server.ts';

export interface WorkbenchOptions extends ServerOptions {
  /** Copied into a workspace of the test's own, which is opened. */
  files?: string;
  /** Changes that copy before the editor sees it. */
  prepare?(workspace: string): void;
  viewport?: { width: number; height: number };
}

export type { Frame };

const patienceMs = 120_000;

export class Workbench {
  readonly server: VsCodeServer;
  readonly workspace: string;
  readonly page: Page;
  /** What the page and the pages inside it complained about. */
  readonly complaints: string[] = [];
  /** Hosts asked for besides this machine. */
  readonly strangers: string[] = [];
  readonly #browser: Browser;

  private constructor(server: VsCodeServer, workspace: string, browser: Browser, page: Page) {
    this.server = server;
    this.workspace = workspace;
    this.#browser = browser;
    this.page = page;
    page.on('console', message => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    page.on('pageerror', error => this.complaints.push(error.message));
    page.on('request', request => {
      const { protocol, hostname } = new URL(request.url());
      if (/^(https?|wss?):$/.test(protocol) && hostname !== '127.0.0.1') this.strangers.push(hostname);
    });
  }

  static async open(options: WorkbenchOptions): Promise<Workbench> {
    const server = await startServer(options);
    const workspace = path.join(server.folder, 'workspace');
    mkdirSync(workspace);
    if (options.files) cpSync(options.files, workspace, { recursive: true });
    options.prepare?.(workspace);
    const browser = await openBrowser().catch(async error => {
      await server.stop();
      throw error;
    });
    try {
      const page = await browser.newPage({
        viewport: options.viewport ?? { width: 1400, height: 900 },
        locale: 'en-US',
      });
      page.setDefaultTimeout(patienceMs);
      const workbench = new Workbench(server, workspace, browser, page);
      await workbench.load();
      return workbench;
    } catch (error) {
      await browser.close();
      await server.stop();
      throw error;
    }
  }

  /** The first load and every reload of the window. */
  async load(): Promise<void> {
    await this.page.goto(`${this.server.url}?folder=${encodeURIComponent(this.workspace)}`, { waitUntil: 'commit' });
    await this.page.locator('.monaco-workbench').waitFor();
    await this.page.locator('.statusbar').waitFor();
  }

  async reload(): Promise<void> {
    await this.page.reload({ waitUntil: 'commit' });
    await this.page.locator('.monaco-workbench').waitFor();
    await this.page.locator('.statusbar').waitFor();
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.server.stop();
  }

  /** Opens a file of the workspace by its name, as with Ctrl+P. */
  async openFile(name: string): Promise<void> {
    await this.#quickInput('Control+KeyP', name);
    await this.page
      .locator('.quick-input-list .monaco-list-row', { hasText: path.basename(name) })
      .first()
      .waitFor();
    await this.page.keyboard.press('Enter');
    await this.tab(path.basename(name)).waitFor();
    await this.page.locator('.monaco-editor .view-line').first().waitFor();
  }

  /**
   * Runs a command by its title in the palette, category included: "Holdfast: Compare Methods". The palette lists what was known
   * when it opened, so it is opened anew until the command is there.
   */
  async command(title: string): Promise<void> {
    const row = this.page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first();
    await until(`the command ${title}`, async () => {
      await this.#quickInput('F1', `>${title}`);
      const found = await row.click({ timeout: 5000 }).then(
        () => true,
        () => false,
      );
      if (!found) await this.page.keyboard.press('Escape');
      return found;
    });
  }

  /** Takes the first answer that holds `text`, of the list that is open. */
  async pick(text: string | RegExp): Promise<void> {
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first().click();
  }

  /** The input of the command before may still be on its way out: tries until one takes the text. */
  async #quickInput(keys: string, text: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input').first();
    await until(`the input of ${keys}`, async () => {
      if (!(await input.isVisible())) await this.page.keyboard.press(keys);
      return input.fill(text, { timeout: 10_000 }).then(
        () => true,
        () => false,
      );
    });
  }

  tab(label: string | RegExp): Locator {
    return this.page.locator('.tabs-container .tab', { hasText: label });
  }

  lens(text: string | RegExp): Locator {
    return this.page.locator('.codelens-decoration a', { hasText: text });
  }

  treeItem(name: string | RegExp): Locator {
    return this.page.getByRole('treeitem', { name });
  }

  /** A view container by the name on the activity bar. */
  async showContainer(name: string): Promise<void> {
    const button = this.page.locator('.activitybar').getByRole('tab', { name });
    await until(`the container ${name}`, async () => {
      if ((await button.getAttribute('aria-selected')) === 'true') return true;
      await button.click();
      return false;
    });
  }

  /** Types a new line below the one that holds `text`, indented as the editor does by itself. */
  async addLineAfter(text: string, line: string): Promise<void> {
    await this.page.locator('.monaco-editor .view-line', { hasText: text }).first().click();
    await this.page.keyboard.press('End');
    await this.page.keyboard.press('Enter');
    await this.page.keyboard.insertText(line);
  }

  /** What extensions wrote behind the lines that are on screen. */
  async lineEnds(): Promise<string[]> {
    return this.page.evaluate(() =>
      [...document.querySelectorAll('.monaco-editor .view-line span')]
        .map(span => getComputedStyle(span, '::after').content)
        .filter(content => content !== 'none' && content !== 'normal'),
    );
  }

  /** Waits for the page inside a panel or a view that holds `selector`. */
  async frame(selector: string, patience = patienceMs): Promise<Frame> {
    return until(
      `a page with ${selector}`,
      async () => {
        for (const frame of this.page.frames()) {
          try {
            if ((await frame.locator(selector).count()) > 0) return frame;
          } catch {
            // Frames come and go.
          }
        }
        return undefined;
      },
      patience,
    );
  }

  /** Nothing moves any more: two pictures in a row are equal. */
  async settled(): Promise<void> {
    let before: Buffer = Buffer.alloc(0);
    await until('a picture that stands still', async () => {
      const now = await this.page.screenshot();
      const same = now.equals(before);
      before = now;
      return same;
    });
  }

  /** Changes the user's settings; the editor reads them at the next load. */
  changeSettings(changes: Record<string, unknown>): void {
    const settings = JSON.parse(readFileSync(this.server.settingsFile, 'utf8'));
    writeFileSync(this.server.settingsFile, JSON.stringify({ ...settings, ...changes }, null, 2));
  }

  /** Violations of a page's content policy. */
  get policyViolations(): string[] {
    return this.complaints.filter(text => /Content Security Policy/i.test(text));
  }

  /** For a failed test: the picture goes beside the logs. */
  async keepPicture(name: string): Promise<void> {
    mkdirSync('out/test', { recursive: true });
    const file = `out/test/${name.replace(/[^a-z0-9]+/gi, '-').slice(0, 60)}.png`;
    rmSync(file, { force: true });
    await this.page.screenshot({ path: file }).catch(() => {});
  }
}

type Truthy<T> = Exclude<T, undefined | null | false | 0 | ''>;

/** Looks again and again until there is an answer; names what it waited for when there never is. */
export async function until<T>(what: string, look: () => Promise<T> | T, patience = patienceMs): Promise<Truthy<T>> {
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = await look();
    if (answer) return answer as Truthy<T>;
    if (Date.now() > deadline) throw new Error(`Waited ${patience / 1000} s for ${what}`);
    await sleep(50);
  }
}
