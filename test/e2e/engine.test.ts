/** The same path with the real engine: a short run of the shipped model, started by a lens, to its verdict. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { until } from '../vscode/workbench.ts';
import { journal, openEditor, startByLens, steps } from './editor.ts';

test('the engine trains the shipped model from a lens to a verdict', async t => {
  const editor = await openEditor(t, {
    edits: {
      'support-tone.tune.yaml': text =>
        text
          .replace(/max_steps: \d+/, 'max_steps: 12')
          .replace(/warmup_steps: \d+/, 'warmup_steps: 2')
          .replace(/every: \d+/, 'every: 6'),
    },
  });
  const step = steps(t, editor);
  let run = '';

  await step('Narrow starts the engine, and its own checks before step 1 pass', async () => {
    await editor.openFile('support-tone.tune.yaml');
    run = await startByLens(editor, 'Narrow');
    const checked = await until('the checks', () => journal(run).find(({ type }) => type === 'checked'), 300_000);
    assert.equal(checked.ok, true, JSON.stringify(checked));
    const page = await editor.frame('body[data-page="run"] .lanes canvas');
    await page.locator('.checks').getByText('labels').waitFor();
  });

  await step('loss, KL and forgetting of the real model arrive', async () => {
    const page = await editor.frame('body[data-page="run"] .lanes canvas');
    await until('points', async () => Number(await page.locator('.lanes').getAttribute('data-newest')) >= 1);
    for (const lane of ['loss', 'kl', 'forgetting']) await page.locator(`.lane-${lane}`).first().waitFor();
  });

  await step('the run ends with a verdict over all items and leaves a model', async () => {
    await until('the end', () => journal(run).some(({ type }) => type === 'exited'), 600_000);
    const final = journal(run).findLast(({ type }) => type === 'evaluated') as { final: boolean; forgetting: object };
    assert.equal(final.final, true);
    assert.deepEqual(Object.keys(final.forgetting).sort(), ['arithmetic', 'facts', 'general', 'grammar']);
    const page = await editor.frame('body[data-page="run"] .verdict-sets');
    await page.locator('.status-text', { hasText: 'finished' }).waitFor();
    assert.equal(await page.locator('.verdict-sets .verdict-word').count(), 4);
    assert.ok(existsSync(path.join(run, 'model/model.safetensors')));
  });

  await step('the pinned prompts were answered by both models', async () => {
    assert.equal(journal(run).filter(({ type }) => type === 'sample').length >= 4, true);
    const page = await editor.frame('body[data-page="run"]');
    await page.getByText('27 + 35 =').first().waitFor();
  });
});
