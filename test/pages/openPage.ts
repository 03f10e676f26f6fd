/** Opens a page in a scenario and watches it: what breaks the policy or throws is collected for the test. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openBrowser } from '../vscode/browser.ts';
import { modules } from '../vscode/places.ts';
import { type PageServer, servePages } from './pageServer.ts';
import type { ThemeName } from './themes.ts';

type Browser = Awaited<ReturnType<typeof openBrowser>>;
export type Page = Awaited<ReturnType<Browser['newPage']>>;

export interface Opened {
  page: Page;
  /** Errors in the console (violations of the policy are among them), exceptions, and problems told to the host. */
  faults(): Promise<string[]>;
}

const patienceMs = 120_000;

export class Pages {
  #browser!: Browser;
  #server!: PageServer;

  async start(): Promise<void> {
    [this.#browser, this.#server] = await Promise.all([openBrowser(), servePages()]);
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    this.#server.close();
  }

  async open(scenario: string, options: { theme?: ThemeName; width?: number; height?: number } = {}): Promise<Opened> {
    const { theme = 'dark', width = 900, height = 1300 } = options;
    const page = await this.#browser.newPage({ viewport: { width, height } });
    page.setDefaultTimeout(patienceMs);
    const faults: string[] = [];
    page.on('console', message => message.type() === 'error' && faults.push(message.text()));
    page.on('pageerror', error => faults.push(String(error)));
    await page.goto(this.#server.url(scenario, theme));
    await drawn(page);
    return {
      page,
      faults: async () => [
        ...faults,
        ...(await page.evaluate(() =>
          window.fakeHost.sent.flatMap(message => (message.type === 'problem' ? [message.message] : [])),
        )),
      ],
    };
  }
}

/** Waits until the page has drawn all it was sent. */
export async function drawn(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const acks = window.fakeHost.sent.filter(message => message.type === 'ack');
    return acks.at(-1)?.seq === window.fakeHost.seq && window.fakeHost.seq > 0;
  });
  await page.evaluate(() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}

/** What axe-core finds serious or critical. It goes in through the debugger, past the page's policy. */
export async function axeFindings(page: Page): Promise<string[]> {
  const axe = await readFile(path.join(modules, 'axe-core/axe.min.js'), 'utf8');
  const debug = await page.context().newCDPSession(page);
  await debug.send('Runtime.evaluate', { expression: axe });
  const answer = await debug.send('Runtime.evaluate', {
    expression: `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => id + ': ' + nodes.slice(0, 4).map(node => node.html.slice(0, 160) + ' ' + (node.any[0]?.message ?? '')).join(' | ')))`,
    awaitPromise: true,
    returnByValue: true,
  });
  await debug.detach();
  return answer.result.value as string[];
}
