/** A browser without a window. Knows no VS Code. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium } from 'playwright-core';

const quiet = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Frames are drawn by the CPU either way; without a simulated GPU in between, several times as fast.
  '--disable-gpu',
  // A page in the background must be as quick as one in front.
  '--disable-renderer-backgrounding',
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
];

const unpackingMs = 60_000;

/** `HOLDFAST_TEST_BROWSER` names an installed Chrome, Edge or Chromium; otherwise the one from the packages. */
export async function openBrowser(): Promise<Browser> {
  const given = process.env.HOLDFAST_TEST_BROWSER;
  if (given) {
    if (!existsSync(given)) throw new Error(`HOLDFAST_TEST_BROWSER names ${given}, which is not there`);
    return chromium.launch({ executablePath: given, args: quiet, headless: true });
  }
  const { default: packaged } = await import('@sparticuz/chromium');
  const executablePath = await packaged.executablePath();
  for (const deadline = Date.now() + unpackingMs; ; await sleep(200)) {
    try {
      return await chromium.launch({ executablePath, args: quiet, headless: true });
    } catch (error) {
      if (isBeingWritten(error) && Date.now() < deadline) continue;
      const remedy = 'On Debian and Ubuntu: apt-get install libnss3 libnspr4';
      throw new Error(`The browser did not start. ${remedy}`, { cause: error });
    }
  }
}

/** Another test unpacks the browser just now. */
const isBeingWritten = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ETXTBSY';
