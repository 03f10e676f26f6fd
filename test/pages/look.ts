/**
 * Takes pictures of all pages in all themes, to be looked at by people.
 * usage: npm run look [-- FOLDER [SCENARIO …]]   (default folder: out/look)
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { openBrowser } from '../vscode/browser.ts';
import { servePages } from './pageServer.ts';
import type { ThemeName } from './themes.ts';

const [folder = 'out/look', ...wanted] = process.argv.slice(2);
const sizes: Record<string, [width: number, height: number]> = {
  'run-live': [900, 1500],
  'run-finished': [900, 1500],
  'run-plain': [900, 1500],
  'run-starting': [900, 700],
  'run-failed': [900, 1200],
  'run-resumed': [900, 1500],
  'run-none': [900, 300],
  'run-long': [900, 1500],
  'metrics-live': [1300, 260],
  'metrics-none': [1300, 260],
  compare: [1100, 1700],
  'compare-refused': [1100, 1700],
  check: [900, 1100],
};
const themes: ThemeName[] = ['dark', 'light', 'hc-black', 'hc-light'];

const server = await servePages();
const browser = await openBrowser();
await mkdir(folder, { recursive: true });
for (const scenario of wanted.length > 0 ? wanted : Object.keys(sizes)) {
  const [name, only] = scenario.split('@') as [string, ThemeName?];
  for (const theme of only ? [only] : themes) {
    const [width, height] = sizes[name] ?? [900, 1200];
    const page = await browser.newPage({ viewport: { width, height } });
    page.on('console', message => message.type() === 'error' && console.error(name, theme, message.text()));
    page.on('pageerror', error => console.error(name, theme, error));
    await page.goto(server.url(name, theme));
    await page.waitForFunction(() => window.fakeHost.sent.some(message => message.type === 'ack'));
    await page.waitForTimeout(300);
    const file = path.join(folder, `${name}.${theme}.png`);
    await page.screenshot({ path: file });
    console.log(file);
    await page.close();
  }
}
await browser.close();
server.close();
