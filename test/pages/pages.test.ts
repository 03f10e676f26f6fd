/** The pages in a real browser, under the policy that the host gives them, against a scripted host. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isWithin } from '../slowness.ts';
import { hostile } from './fakeRuns.ts';
import { axeFindings, drawn, type Page, Pages } from './openPage.ts';
import type { ThemeName } from './themes.ts';

const pages = new Pages();
before(() => pages.start());
after(() => pages.stop());

const commands = (page: Page) =>
  page.evaluate(() => window.fakeHost.sent.filter(message => message.type === 'command'));

const scenarios: [scenario: string, shows: string][] = [
  ['run-live', 'Forgot: arithmetic'],
  ['run-finished', 'finished'],
  ['run-starting', 'base scores'],
  ['run-failed', 'Lower train.learning_rate'],
  ['run-resumed', 'of 30 redone steps the loss differs'],
  ['run-none', 'No run to show'],
  ['metrics-live', 'step 84 of 200'],
  ['metrics-none', 'No run of this recipe'],
  ['compare', '4 runs compared'],
  ['compare-refused', 'measured other probe sets'],
  ['check', 'Did you mean "train"?'],
  ['check-busy', 'Reading the data'],
];

for (const [scenario, shows] of scenarios) {
  test(`${scenario} is drawn and breaks no policy`, async () => {
    const { page, faults } = await pages.open(scenario);
    await page.getByText(shows).first().waitFor();
    assert.deepEqual(await faults(), []);
    await page.close();
  });
}

for (const theme of ['dark', 'light', 'hc-black', 'hc-light'] as ThemeName[]) {
  test(`nothing serious stands in the way of assistive programs in ${theme}`, async () => {
    for (const scenario of ['run-failed', 'metrics-live', 'compare-refused', 'check']) {
      const { page } = await pages.open(scenario, { theme });
      assert.deepEqual(await axeFindings(page), [], scenario);
      await page.close();
    }
  });
}

test('hostile strings of recipes, logs and models stay text', async () => {
  for (const scenario of ['run-finished', 'check']) {
    const { page } = await pages.open(scenario);
    assert.ok((await page.getByText(hostile).count()) > 0, `${scenario} shows the string`);
    const broken = await page.evaluate(() => ({
      ran: 'broken' in window,
      images: document.querySelectorAll('img').length,
      scripts: document.querySelectorAll('main script').length,
    }));
    assert.deepEqual(broken, { ran: false, images: 0, scripts: 0 });
    await page.close();
  }
});

test('points that arrive are drawn, named in the legend and acknowledged', async () => {
  const { page, faults } = await pages.open('run-live');
  const expected = await page.evaluate(() => {
    window.fakeHost.advance(3);
    return window.fakeHost.runs[0]!.value('gradientNorm', 87);
  });
  await page.waitForFunction(() => document.querySelector<HTMLElement>('.lanes')?.dataset.newest === '87');
  const shown = await page.locator('.lane-gradientNorm .value').textContent();
  assert.equal(Number(shown), Number(expected!.toPrecision(4)));
  await page.getByText('step 87 of 200').waitFor();
  await drawn(page);
  assert.deepEqual(await faults(), []);
  await page.close();
});

test('a page subscribes to what it draws and to nothing hidden', async () => {
  const { page } = await pages.open('run-live');
  const names = () => page.evaluate(() => window.fakeHost.subscribed.map(series => series.name));
  assert.ok((await names()).includes('loss'));
  assert.ok(!(await names()).includes('objective'));
  await page.getByRole('button', { name: 'objective' }).click();
  await page.waitForFunction(() => window.fakeHost.subscribed.some(series => series.name === 'objective'));
  await page.close();
});

test('zoom, smoothing and tab survive a reload', async () => {
  const { page } = await pages.open('run-finished');
  const plot = (await page.locator('.lane-loss .u-over').boundingBox())!;
  await page.mouse.move(plot.x + plot.width * 0.25, plot.y + 20);
  await page.mouse.down();
  await page.mouse.move(plot.x + plot.width * 0.75, plot.y + 30, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => window.fakeHost.subscribed.some(series => series.to !== undefined || series.from));
  await page.getByRole('tab', { name: 'Settings' }).click();
  await page.getByText('train.learning_rate').first().waitFor();
  const before = await page.evaluate(() => window.fakeHost.subscribed);

  await page.reload();
  await drawn(page);
  assert.deepEqual(await page.evaluate(() => window.fakeHost.subscribed), before);
  await page.getByText('train.learning_rate').first().waitFor();
  assert.equal(await page.getByRole('tab', { name: 'Settings' }).getAttribute('aria-selected'), 'true');

  await page.locator('.lane-loss .u-over').dblclick();
  await page.waitForFunction(() => window.fakeHost.subscribed.every(series => series.from === undefined));
  await page.close();
});

test('a long status keeps its icon beside it', async () => {
  const { page } = await pages.open('run-failed', { width: 500 });
  const why = 'failed: Python cannot load what the torch engine needs: No module named numpy, and much more';
  await page.evaluate(why => {
    const { id } = window.fakeHost.runs[0]!.view;
    window.fakeHost.post({ type: 'run', id, changes: { statusText: why } });
  }, why);
  const text = page.locator('.status-text', { hasText: why });
  await text.waitFor();
  const [icon, words] = await Promise.all([
    page.locator('.status-line .status-icon').boundingBox(),
    text.boundingBox(),
  ]);
  assert.ok(words!.height > 30, 'the words take two lines');
  assert.ok(icon!.x + icon!.width <= words!.x, `the icon stands before them: ${JSON.stringify([icon, words])}`);
  assert.ok(Math.abs(icon!.y - words!.y) < 8, 'at their first line');
  await page.close();
});

test('a log that came while another tab was open is opened at its end', async () => {
  const { page } = await pages.open('run-failed');
  await page.evaluate(() => {
    const { id } = window.fakeHost.runs[0]!.view;
    const logTail = Array.from({ length: 60 }, (_, line) => `line ${line} of a traceback`);
    window.fakeHost.post({ type: 'run', id, changes: { logTail } });
  });
  await drawn(page);
  await page.getByRole('tab', { name: 'Log' }).click();
  const isAtEnd = () => {
    const log = document.querySelector('.log')!;
    return log.scrollTop > 0 && log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  };
  await page.waitForFunction(isAtEnd, undefined, { timeout: 10_000 });
  await page.close();
});

test('a run that failed before it was ready still says what was to train it', async () => {
  const { page } = await pages.open('run-failed');
  const trainer = 'the torch engine, as the recipe says; Python 3.12 with torch 2.9, from holdfast.python';
  await page.evaluate(trainer => {
    const { id } = window.fakeHost.runs[0]!.view;
    window.fakeHost.post({ type: 'run', id, changes: { trainer, prepared: null } });
  }, trainer);
  await page.getByRole('tab', { name: 'Environment' }).click();
  await page.getByRole('row', { name: `Trainer ${trainer}` }).waitFor({ timeout: 10_000 });
  await page.close();
});

test('the page tells the host what to restore', async () => {
  const memory = async (scenario: string) => {
    const { page } = await pages.open(scenario);
    const state = await page.evaluate(() => JSON.parse(sessionStorage.getItem('fake-vscode-state') ?? '{}'));
    await page.close();
    return state;
  };
  const run = await memory('run-live');
  assert.equal(run.page, 'run');
  assert.equal(run.runs.length, 1);
  assert.equal((await memory('compare')).runs.length, 4);
  assert.deepEqual(
    [(await memory('check')).recipe, (await memory('check')).variant],
    ['support-tone.tune.yaml', 'replay'],
  );
});

test('a table twin shows exactly what the chart was sent', async () => {
  const { page } = await pages.open('run-finished');
  await page.getByRole('checkbox', { name: 'Show as table' }).click();
  const table = page.locator('.lane-forgetting table');
  await table.locator('tbody tr').first().waitFor();
  const shown = await table
    .locator('tbody tr')
    .evaluateAll(rows => rows.map(row => [...row.children].map(cell => cell.textContent)));
  const sent = await page.evaluate(() => {
    const run = window.fakeHost.runs[0]!;
    const steps = Array.from({ length: run.view.step + 1 }, (_, step) => step);
    const evaluated = steps.filter(step => run.value('forgetting.facts', step) !== undefined);
    return evaluated.map(step => [step, ...Object.values(run.evaluationAt(step).forgetting).map(({ value }) => value)]);
  });
  assert.deepEqual(
    shown.map(cells => cells.map(cell => Number(cell!.split(' ')[0]!.replace('−', '-')))),
    sent.map(values => values.map(value => Number(value.toPrecision(4)))),
  );
  await page.close();
});

test('a verdict is announced when it comes, and not when the page opens', async () => {
  const { page } = await pages.open('run-starting');
  const live = page.locator('[aria-live="polite"]');
  assert.equal(await live.textContent(), '');
  await page.evaluate(() => window.fakeHost.finish());
  await page.waitForFunction(() => document.querySelector('[aria-live="polite"]')?.textContent?.includes('Forgot'));
  await page.locator('.verdict[data-verdict="forgot"]').waitFor();
  await page.close();
});

test('the verdict stands in words and pictures, never by colour alone', async () => {
  const { page } = await pages.open('run-finished');
  const lines = await page.locator('.verdict-sets li').evaluateAll(items =>
    items.map(item => ({
      word: item.querySelector('.verdict-word')?.textContent,
      picture: item.querySelector('.verdict-word svg path')?.getAttribute('d')?.slice(-12),
    })),
  );
  assert.deepEqual(
    lines.map(line => line.word),
    ['Kept', 'Cannot tell', 'Forgot', 'Cannot tell'],
  );
  assert.equal(new Set(lines.map(line => line.picture)).size, 3);
  await page.close();
});

test('stop asks the host, by id', async () => {
  const { page } = await pages.open('run-live');
  await page.getByRole('button', { name: 'Stop' }).click();
  const [sent] = await commands(page);
  assert.deepEqual(sent, {
    type: 'command',
    command: 'stop',
    run: await page.evaluate(() => window.fakeHost.runs[0]!.view.id),
  });
  await page.close();
});

test('a problem of the recipe leads to its line', async () => {
  const { page } = await pages.open('check');
  await page.getByRole('button', { name: 'line 14' }).press('Enter');
  assert.deepEqual(await commands(page), [{ type: 'command', command: 'openRecipe', line: 14 }]);
  await page.close();
});

test('the first batch marks tokens that carry loss by more than colour, and replay rows by words', async () => {
  const { page } = await pages.open('check');
  const style = await page
    .locator('.batch .supervised')
    .first()
    .evaluate(element => {
      const { textDecorationLine, backgroundColor } = getComputedStyle(element);
      return { textDecorationLine, hasBackground: backgroundColor !== 'rgba(0, 0, 0, 0)' };
    });
  assert.deepEqual(style, { textDecorationLine: 'underline', hasBackground: true });
  assert.equal(await page.locator('.row-replay .row-kind').textContent(), 'Replay');
  await page.close();
});

test('a view that does not follow stays put while points arrive', async () => {
  const { page } = await pages.open('run-live');
  await page.getByRole('checkbox', { name: 'Follow newest' }).click();
  await page.evaluate(() => window.fakeHost.advance(40));
  await page.waitForFunction(() => document.querySelector<HTMLElement>('.lanes')?.dataset.newest === '124');
  await page.getByRole('button', { name: 'Whole run' }).waitFor();
  const { zoom } = await page.evaluate(() => JSON.parse(sessionStorage.getItem('fake-vscode-state')!).view.lanes);
  assert.deepEqual(zoom, [0, 100]);
  await page.close();
});

test('a message that was missed makes the page ask for everything again', async () => {
  const { page } = await pages.open('run-live');
  await page.evaluate(() => {
    window.fakeHost.seq += 1;
    window.fakeHost.advance(1);
  });
  await page.waitForFunction(() => window.fakeHost.sent.filter(message => message.type === 'ready').length === 2);
  await page.waitForFunction(() => document.querySelector<HTMLElement>('.lanes')?.dataset.newest === '85');
  await page.evaluate(() => window.fakeHost.advance(1));
  await page.waitForFunction(() => document.querySelector<HTMLElement>('.lanes')?.dataset.newest === '86');
  await page.close();
});

test('buckets of an older question are dropped', async () => {
  const { page } = await pages.open('run-finished');
  const legend = page.locator('.lane-gradientNorm .value');
  const before = await legend.textContent();
  await page.evaluate(() => {
    const { id } = window.fakeHost.runs[0]!.view;
    const series = [{ run: id, name: 'gradientNorm', steps: [1], min: [777], max: [777], last: [777] }];
    window.fakeHost.post({ type: 'buckets', request: 0, series });
  });
  await drawn(page);
  assert.equal(await legend.textContent(), before);
  await page.close();
});

test('colours follow a change of theme without a reload', async () => {
  const { page } = await pages.open('run-live');
  const stroke = () =>
    page
      .locator('.lane-loss .swatch')
      .first()
      .evaluate(swatch => getComputedStyle(swatch).stroke);
  const before = await stroke();
  await page.evaluate(() => {
    document.documentElement.style.setProperty('--vscode-holdfast-series1', 'rgb(1, 2, 3)');
    document.body.className = 'vscode-light';
  });
  await page.waitForFunction(
    () => getComputedStyle(document.querySelector('.lane-loss .swatch')!).stroke === 'rgb(1, 2, 3)',
  );
  assert.notEqual(before, 'rgb(1, 2, 3)');
  await page.close();
});

test('the table of runs is sorted from the keyboard and says so', async () => {
  const { page } = await pages.open('compare');
  const variants = () => page.locator('.runs tbody .link').allTextContents();
  const heading = page.getByRole('button', { name: 'Forgetting: general' });
  await heading.press('Enter');
  assert.deepEqual(await variants(), ['replay', 'regularized', 'narrow', 'plain']);
  await heading.press('Enter');
  assert.deepEqual(await variants(), ['plain', 'narrow', 'regularized', 'replay']);
  const column = page.locator('th', { has: page.getByRole('button', { name: 'Forgetting: general' }) });
  assert.equal(await column.getAttribute('aria-sort'), 'descending');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent?.startsWith('Forgetting: general')), true);
  await page.close();
});

test('names of runs stand whole beside the plane, and long ones keep their end', async () => {
  const { page } = await pages.open('compare');
  const named = (name: string) =>
    page.evaluate(name => {
      const state = structuredClone(window.fakeHost.state);
      if (state.page !== 'compare') return;
      state.comparison.runs[0]!.name = name;
      window.fakeHost.post({ type: 'state', state, strings: {} });
    }, name);
  const first = page.locator('.plane-label text').first();
  const isInside = () =>
    page.evaluate(() => {
      const edge = document.querySelector('.plane-figure svg')!.getBoundingClientRect().right;
      return [...document.querySelectorAll('.plane-label text')].every(
        text => text.getBoundingClientRect().right <= edge,
      );
    });
  await named('support-tone-on-torch');
  await page.locator('.plane-label', { hasText: 'support-tone-on-torch · plain' }).waitFor();
  assert.equal(await isInside(), true);

  await named('support-tone-on-torch '.repeat(6));
  await page.locator('.plane-label', { hasText: '…' }).waitFor();
  assert.match((await first.textContent())!, /^support-tone.*….* · plain$/);
  assert.equal(await isInside(), true);
  await page.close();
});

test('one cursor moves over all lanes and fills the table of values', async () => {
  const { page } = await pages.open('compare', { height: 1700 });
  const plot = page.locator('.plot').first();
  await plot.focus();
  await plot.press('ArrowLeft');
  await page.getByText('Values at step 196').waitFor();
  const cursors = await page
    .locator('.lane .u-cursor-x')
    .evaluateAll(lines =>
      lines.filter(line => !line.classList.contains('u-off')).map(line => line.getAttribute('style')),
    );
  assert.ok(cursors.length >= 4);
  await page.close();
});

test('a run taken out of the charts is no longer asked for', async () => {
  const { page } = await pages.open('compare');
  const runs = () => page.evaluate(() => new Set(window.fakeHost.subscribed.map(series => series.run)).size);
  assert.equal(await runs(), 4);
  await page.getByRole('checkbox', { name: 'Show plain in the charts' }).uncheck();
  await page.waitForFunction(() => new Set(window.fakeHost.subscribed.map(series => series.run)).size === 3);
  await page.close();
});

test('words come from the host where it has them', async () => {
  const { page } = await pages.open('run-live');
  await page.evaluate(() => {
    window.fakeHost.strings = { Stop: 'Anhalten', 'about {0} left': 'noch etwa {0}' };
    window.fakeHost.post({ type: 'state', state: window.fakeHost.state, strings: window.fakeHost.strings });
  });
  await page.getByText('noch etwa 24 s').waitFor();
  await page.close();
});

test('points of twenty lines at twenty steps a second cost less than a frame', async t => {
  const { page } = await pages.open('compare', { height: 1700 });
  await page.getByRole('checkbox', { name: 'All series' }).click();
  await page.waitForFunction(() => window.fakeHost.subscribed.length >= 20);
  await drawn(page);
  const costs = await costsOfFrames(page);
  t.diagnostic(costs.text);
  assert.ok(isWithin(costs.median, 16), costs.text);
  await page.close();
});

test('after eight thousand evaluations and checkpoints a frame costs no more than one of a short run', async t => {
  const medians: number[] = [];
  for (const scenario of ['run-live', 'run-hours']) {
    const { page } = await pages.open(scenario);
    const costs = await costsOfFrames(page);
    t.diagnostic(`${scenario}: ${costs.text}`);
    medians.push(costs.median);
    await page.close();
  }
  const [short, long] = medians as [number, number];
  assert.ok(long < 3 * short + 4, `${long} ms beside ${short} ms`);
});

/** Of drawing the lanes while a run takes sixty steps, in ms. */
async function costsOfFrames(page: Page): Promise<{ median: number; text: string }> {
  await page.evaluate(async () => {
    window.fakeHost.frames.length = 0;
    for (let i = 0; i < 60; i++) {
      window.fakeHost.advance(1);
      await new Promise(resolve => requestAnimationFrame(resolve));
    }
  });
  await drawn(page);
  const costs = (await page.evaluate(() => window.fakeHost.frames)).sort((a, b) => a - b);
  const median = costs[costs.length >> 1]!;
  const text = `median ${median.toFixed(2)} ms, worst ${costs.at(-1)!.toFixed(2)} ms over ${costs.length} frames`;
  return { median, text };
}
