/** A folder that is not trusted, in real VS Code: runs in it can be read, nothing is started, nothing is written. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../vscode/workbench.ts';
import { openEditor, stagedExtension, startByLens } from './editor.ts';

const recipe = 'support-tone.tune.yaml';

test('a folder that is not trusted', async t => {
  const files = await folderWithARun(t);
  const editor = await openEditor(t, { trainer: { steps: 20, rate: 0 }, trusted: false, files });
  const before = tree(editor.workspace);
  await editor.openFile(recipe);

  await t.test('every lens leads to the question of trust', async () => {
    const question = editor.page.locator('.workspace-trust-editor');
    // Lenses are drawn anew now and then, and a click between two drawings goes nowhere.
    await until('the question of trust', async () => {
      if (await question.isVisible()) return true;
      await editor
        .lens('Start Fine-Tune')
        .first()
        .click({ timeout: 10_000 })
        .catch(() => {});
      return false;
    });
    assert.equal(await editor.tab(/support-tone · /).count(), 0, 'a run panel was opened');
    await until('the question to be put away', async () => {
      await editor.page.keyboard.press('Escape');
      return !(await question.isVisible());
    });
  });

  await t.test('past runs are listed, and open with their verdict', async () => {
    await editor.showContainer('Holdfast');
    await editor
      .treeItem(/support-tone · plain|^plain/)
      .first()
      .click();
    const run = await editor.frame('body[data-page="run"] .verdict-sets');
    assert.match((await run.locator('.verdict-sets').textContent()) ?? '', /nats\/token \[/);
  });

  await t.test('the palette offers no command that starts a program', async () => {
    const list = editor.page.locator('.quick-input-list .monaco-list-row');
    await until('the palette', async () => {
      await editor.page.keyboard.press('F1');
      return editor.page.locator('.quick-input-widget input').first().isVisible();
    });
    await editor.page.locator('.quick-input-widget input').first().fill('>Holdfast: ');
    await list.filter({ hasText: 'New Recipe' }).first().waitFor();
    const titles = await list.allInnerTexts();
    assert.deepEqual(
      titles.filter(title => /Start|Compare Methods|Check Recipe|Stop/.test(title)),
      [],
    );
    await editor.page.keyboard.press('Escape');
  });

  await t.test('nothing was written into the folder', () => {
    assert.deepEqual(tree(editor.workspace), before);
  });
});

/** The examples and one run that was made where trust was given. */
async function folderWithARun(t: TestContext): Promise<string> {
  const files = mkdtempSync(path.join(tmpdir(), 'restricted-'));
  t.after(() => rmSync(files, { recursive: true, force: true }));
  cpSync(path.join(stagedExtension(), 'examples'), files, { recursive: true });
  const editor = await openEditor(t, { trainer: { steps: 20, rate: 0 }, files });
  await editor.openFile(recipe);
  const run = await startByLens(editor, 'Plain');
  await until('the end of the run', () => isOver(run));
  cpSync(path.join(editor.workspace, '.holdfast/runs'), path.join(files, '.holdfast/runs'), { recursive: true });
  return files;
}

/** The heartbeat goes after the exit is written. */
const isOver = (run: string): boolean =>
  existsSync(path.join(run, 'exit.json')) && !existsSync(path.join(run, 'heartbeat'));

function tree(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).sort();
}
