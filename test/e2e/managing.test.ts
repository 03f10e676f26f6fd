/** Housekeeping as a user does it: with keys, menus and the search box. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { storeOf } from '../../src/runs/store.ts';
import { changeUser } from '../../src/runs/userChoices.ts';
import { manyRuns } from '../reliability/manyRuns.ts';
import { until } from '../vscode/workbench.ts';
import { openEditor, steps } from './editor.ts';

test('a user names, tags, finds, deletes and brings back runs', async t => {
  const editor = await openEditor(t, {
    prepare: workspace => {
      mkdirSync(path.join(workspace, '.holdfast'));
      manyRuns(storeOf(workspace), 9);
    },
  });
  const step = steps(t, editor);
  const { page } = editor;
  const store = storeOf(editor.workspace);
  const [newest = ''] = await store.runIds();
  const user = () => {
    const file = store.run(newest).userJson;
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  };
  const rows = page.locator('.tree-explorer-viewlet-tree-view .monaco-list-row');
  const row = (text: string) => rows.filter({ hasText: text }).first();
  const type = async (placeholder: string, text: string) => {
    const input = page.locator('.quick-input-widget input.input').or(page.locator('.quick-input-widget input')).first();
    await page.locator('.quick-input-widget', { hasText: placeholder }).waitFor();
    await input.fill(text);
    await page.keyboard.press('Enter');
  };

  await step('the list shows the runs of the folder with their verdicts', async () => {
    await editor.showContainer('Holdfast');
    await changeUser(store, [store.run(newest)], { colour: 2, name: 'the newest' });
    await row('the newest').waitFor();
    await until('nine runs', async () => (await rows.filter({ hasText: 'replay' }).count()) === 9);
  });

  await step('F2 names the selected run', async () => {
    // What a click opens may take the keys for a moment.
    await until('the question for a name', async () => {
      await row('the newest').click();
      await page.keyboard.press('F2');
      return page
        .locator('.quick-input-widget')
        .waitFor({ timeout: 10_000 })
        .then(
          () => true,
          () => false,
        );
    });
    await type('the name its recipe gives', 'my best one');
    await row('my best one').waitFor();
    assert.equal(user().name, 'my best one');
  });

  await step('a new tag is typed', async () => {
    await row('my best one').click();
    await editor.command('Holdfast: Tags…');
    await type('Tags', 'for the paper');
    await until('the tag', () => user().tags?.includes('for-the-paper'));
    await row('#for-the-paper').waitFor();
  });

  await step('the list follows the words of a search', async () => {
    await editor.command('Holdfast: Find Runs');
    await type('Find Runs', '#for-the');
    await until('one run', async () => (await rows.filter({ hasText: 'replay' }).count()) === 1);
    await page.getByText('1 of 9 runs match').waitFor();
    await editor.command('Holdfast: Show All Runs Again');
    await until('nine runs', async () => (await rows.filter({ hasText: 'replay' }).count()) === 9);
  });

  await step('Delete takes it out of the list, Undo brings it back', async () => {
    const isGone = () => !existsSync(store.run(newest).folder);
    await until('the run in the trash', async () => {
      if (isGone()) return true;
      await row('my best one').click();
      await page.keyboard.press('Delete');
      return until('its folder gone', isGone, 30_000).catch(() => false);
    });
    await page.getByRole('button', { name: 'Undo' }).click();
    await row('my best one').waitFor();
    assert.equal(user().name, 'my best one');
  });
});
