/**
 * Runs extension tests in a VS Code without a desktop: takes the flags of a desktop VS Code and ends with the tests' exit
 * code. The tests' own words come through a file, because the extension host's console belongs to the editor.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { openBrowser } from './browser.ts';
import { startServer } from './server.ts';

const limitMs = Number(process.env.HOLDFAST_TEST_LIMIT_MS ?? 1_140_000);

const flags = (name: string) =>
  process.argv.filter(arg => arg.startsWith(`--${name}=`)).map(arg => path.resolve(arg.slice(name.length + 3)));
const workspace = process.argv.slice(2).find(arg => !arg.startsWith('-'));
const [testsPath] = flags('extensionTestsPath');
if (!testsPath) throw new Error('--extensionTestsPath is missing');

process.exitCode = await runTests(testsPath, flags('extensionDevelopmentPath'), workspace);

async function runTests(tests: string, extensions: string[], folder?: string): Promise<number> {
  const trusted = process.argv.includes('--disable-workspace-trust');
  const server = await startServer({ workspace: folder, trusted });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void server.stop().then(() => process.exit(130)));
  const browser = await openBrowser().catch(async error => {
    await server.stop();
    throw error;
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-US' });
    const { done } = await listen(page);
    await page.goto(testAddress(server.url, tests, extensions, folder));
    const code = await Promise.race([done, new Promise<null>(resolve => setTimeout(resolve, limitMs, null).unref())]);
    if (code !== null) return code;
    process.stderr.write(`The tests did not end within ${limitMs / 1000} s\n${server.log()}\n`);
    return 1;
  } finally {
    showReport();
    await browser.close();
    await server.stop();
  }
}

/**
 * The editor tells how the tests ended through a function of the page, and does so only for a build that carries its
 * smoke-test driver: the page's configuration is told so before the editor reads it. (Rewriting the page on its way would
 * make Chromium 150 and later block the page's own loopback connection.)
 */
async function listen(page: Page): Promise<{ done: Promise<number> }> {
  await page.addInitScript(() => {
    const original = Element.prototype.getAttribute;
    Element.prototype.getAttribute = function (name) {
      const value = original.call(this, name);
      if (name !== 'data-settings' || this.id !== 'vscode-workbench-web-configuration' || !value) return value;
      const settings = JSON.parse(value);
      settings.developmentOptions = { ...settings.developmentOptions, enableSmokeTestDriver: true };
      return JSON.stringify(settings);
    };
  });
  let tell: (code: number) => void = () => {};
  const done = new Promise<number>(resolve => {
    tell = resolve;
  });
  await page.exposeFunction('codeAutomationExit', (code: number) => tell(code));
  return { done };
}

function testAddress(url: string, tests: string, extensions: string[], folder?: string): string {
  const remote = (file: string) => `vscode-remote://${new URL(url).host}${file}`;
  const payload = [
    ...extensions.map(extension => ['extensionDevelopmentPath', remote(extension)]),
    ['extensionTestsPath', remote(tests)],
    ['skipWelcome', 'true'],
  ];
  const query = new URLSearchParams({ payload: JSON.stringify(payload) });
  if (folder) query.set('folder', path.resolve(folder));
  return `${url}?${query}`;
}

function showReport(): void {
  const file = process.env.HOLDFAST_TEST_REPORT;
  if (file && existsSync(file)) process.stdout.write(readFileSync(file, 'utf8'));
}
