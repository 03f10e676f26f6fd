/**
 * A user's first hour in real VS Code in a real browser, with a trainer that speaks the protocol and trains nothing: a
 * mistake, a run, its verdict, a reload, a comparison. One editor serves all, in this order.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { RunFolder } from '../../src/runs/runFolder.ts';
import { until } from '../vscode/workbench.ts';
import { journal, openEditor, runFolders, startByLens, steps } from './editor.ts';

const recipe = 'support-tone.tune.yaml';
/** Slow enough to be watched, even on a busy machine. */
const replaySteps = 240;
const runPage = 'body[data-page="run"]';
const comparePage = 'body[data-page="compare"]';

test('from a recipe with a mistake to a comparison', async t => {
  const editor = await openEditor(t, {
    trainer: { steps: 60, rate: 100, byVariant: { replay: { steps: replaySteps, rate: 20 } } },
  });
  const { page } = editor;
  const verdict = async () => (await editor.frame(`${runPage} .verdict-sets`)).locator('.verdict-sets');
  const showFirstLine = () =>
    until('the first line', async () => {
      await page.keyboard.press('Control+Home');
      return editor.lens('Replay').first().isVisible();
    });
  let runsVerdict: string | null = '';
  const step = steps(t, editor);

  await step('a misspelt key is marked, and the message names the key that was meant', async () => {
    await editor.openFile(recipe);
    await page.locator('.view-line', { hasText: 'max_steps' }).first().waitFor();
    await editor.addLineAfter('max_steps', 'learning_rat: 0.5');
    await page.locator('.squiggly-error').first().waitFor();
    await editor.command('Problems: Focus on Problems View');
    const message = page.locator('.markers-panel .monaco-list-row', { hasText: 'learning_rat' }).last();
    await message.waitFor();
    assert.match((await message.textContent()) ?? '', /learning_rate/);
  });

  await step('the mark goes with the mistake', async () => {
    await page.locator('.markers-panel .monaco-list-row', { hasText: 'learning_rat' }).last().dblclick();
    await page.locator('.monaco-editor.focused').waitFor();
    await editor.command('Delete Line');
    await page.locator('.squiggly-error').first().waitFor({ state: 'detached' });
    await editor.command('File: Save');
    await editor.command('View: Toggle Panel Visibility');
  });

  await step('the lenses can be clicked although the recipe lost the focus as it opened', async () => {
    await editor.openFile(recipe);
    await showFirstLine();
    await editor.command('View: Close All Editors');
    await page.evaluate(() => {
      const pushing = new AbortController();
      document.addEventListener(
        'focusin',
        ({ target }) => {
          if (target instanceof HTMLElement && target.closest('.monaco-editor')) setTimeout(() => target.blur(), 1);
        },
        { signal: pushing.signal },
      );
      document.addEventListener('enough', () => pushing.abort(), { once: true });
    });
    await editor.openFile(recipe);
    await editor.lens('Start Fine-Tune').first().waitFor();
    await page.evaluate(() => document.dispatchEvent(new Event('enough')));
  });

  await step('the Replay lens starts a run whose points arrive while it runs', async () => {
    await editor.openFile(recipe);
    await showFirstLine();
    const made = await startByLens(editor, 'Replay');
    const folder = new RunFolder(path.basename(made), made);
    await until('the first step', () => journal(made).some(({ type }) => type === 'step'));
    // Paused until the panel shows something: so the run is seen alive however busy the machine is.
    await sendControl(folder, 'pause');
    const run = await editor.frame(`${runPage} .lanes canvas`);
    const newest = async () => Number(await run.locator('.lanes').getAttribute('data-newest'));
    const first = await until('the first points', newest);
    assert.ok(first < replaySteps, `the first points came with step ${first}`);
    await sendControl(folder, 'resume');
    await until('more points', async () => (await newest()) > first);
  });

  await step('the editor keeps its place beside the panel', async () => {
    await editor.tab(recipe).waitFor();
    await editor.lens('Start Fine-Tune').first().waitFor();
  });

  await step('the run ends with a verdict in words', async () => {
    const run = await editor.frame(runPage);
    await run.locator('.status-text', { hasText: 'finished' }).waitFor();
    runsVerdict = await (await verdict()).textContent();
    for (const set of ['general', 'facts', 'arithmetic', 'grammar']) assert.match(runsVerdict ?? '', new RegExp(set));
    assert.match(runsVerdict ?? '', /nats\/token \[/);
  });

  await step('the lens line ends in the last verdict', async () => {
    await editor
      .lens(/forgot|kept|cannot tell/)
      .first()
      .waitFor();
  });

  await step('the recipe shows sparklines at its line ends', async () => {
    await until('a sparkline', async () => (await editor.lineEnds()).some(text => /[▁▂▃▄▅▆▇█]{3}/.test(text)));
  });

  await step('the run stands in the tree, below its recipe', async () => {
    await editor.showContainer('Holdfast');
    await editor
      .treeItem(/support-tone, 1 runs?/)
      .first()
      .waitFor();
    await editor
      .treeItem(/replay.*finished/i)
      .first()
      .waitFor();
  });

  await step('a reload of the window brings all of it back', async () => {
    await editor.reload();
    await editor.tab(recipe).waitFor();
    await until('the same verdict', async () => (await (await verdict()).textContent()) === runsVerdict);
    const run = await editor.frame(`${runPage} .lanes canvas`);
    await until(
      'the last step',
      async () => (await run.locator('.lanes').getAttribute('data-newest')) === String(replaySteps),
    );
    await editor.showContainer('Holdfast');
    await editor
      .treeItem(/replay.*finished/i)
      .first()
      .waitFor();
    await editor
      .lens(/forgot|kept|cannot tell/)
      .first()
      .waitFor();
  });

  await step('a run goes on while no window is open, and is found again', async () => {
    const folder = await startByLens(editor, 'Narrow');
    await until('the first step', () => journal(folder).some(({ type }) => type === 'step'));
    await page.goto('about:blank');
    await until('the end', () => journal(folder).some(({ type }) => type === 'exited'));
    await editor.load();
    await editor.showContainer('Holdfast');
    await editor
      .treeItem(/narrow.*finished/i)
      .first()
      .waitFor();
  });

  await step('Compare runs all arms one after the other and lays them side by side', async () => {
    const before = runFolders(editor.workspace).length;
    await startByLens(editor, 'Compare');
    const compare = await editor.frame(`${comparePage} .numbers-table.runs`);
    const verdicts = compare.locator('.numbers-table.runs tbody tr', { hasText: /Kept|Forgot|Cannot tell/ });
    const folders = await until('six runs', () => {
      const made = runFolders(editor.workspace).slice(before);
      return made.length >= 6 && made;
    });
    await until(
      'the end of all',
      () => folders.every(folder => journal(folder).some(({ type }) => type === 'exited')),
      300_000,
    );
    await until('a verdict for each', async () => (await verdicts.count()) === folders.length);
    for (const variant of ['Plain', 'Replay', 'Regularized', 'Narrow']) {
      await compare.locator('.numbers-table.runs', { hasText: new RegExp(variant, 'i') }).waitFor();
    }
    const overlaps = folders.map(folder => journal(folder).map(({ t }) => Number(t)));
    const spans = overlaps.map(times => [Math.min(...times), Math.max(...times)] as const).sort(([a], [b]) => a - b);
    for (const [index, [start]] of spans.entries()) {
      if (index > 0) assert.ok(start >= spans[index - 1]![1], 'two runs at a time');
    }
  });

  await step('no page broke its content policy, and nobody else was asked for anything', () => {
    assert.deepEqual(editor.policyViolations, []);
    // The editor itself looks for its gallery.
    assert.deepEqual(
      editor.strangers.filter(host => !/open-vsx\.org$|vscode-cdn\.net$/.test(host)),
      [],
    );
  });
});
