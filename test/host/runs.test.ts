import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { App } from '../../src/host/app.ts';
import type { RunEntry } from '../../src/host/runs/runsModel.ts';
import type { RunsNode } from '../../src/host/runs/runsTree.ts';
import { closeAll, holdfast, lensesOf, openExample, until, useFakeTrainer } from './support.ts';

/** The tree as it is drawn: labels below each other. */
function drawn({ view }: App, parent?: RunsNode): Record<string, string> {
  const rows: Record<string, string> = {};
  for (const node of view.tree.getChildren(parent)) {
    const item = view.tree.getTreeItem(node);
    rows[item.id ?? ''] = `${item.label} | ${item.description} | ${item.contextValue}`;
    if (node.kind === 'group') Object.assign(rows, drawn(view.tree ? ({ view } as App) : ({ view } as App), node));
  }
  return rows;
}

const runWith = (app: App, id: string, ask: (run: RunEntry) => boolean) =>
  until(`run ${id}`, () => {
    const run = app.model.get(id);
    return run && ask(run) && run;
  });

suite('Runs', () => {
  let app: App;
  suiteSetup(async () => {
    app = await holdfast();
  });
  teardown(closeAll);

  test('a started run goes through the tree, its panel draws points, and it ends with a verdict', async () => {
    useFakeTrainer({ steps: 60, rate: 60 });
    const document = await openExample('support-tone');
    const id = await vscode.commands.executeCommand<string>('holdfast.startReplay', document.uri);
    assert(id);
    await runWith(app, id, ({ status }) => status === 'running');
    assert.equal(vscode.window.activeTextEditor?.document.fileName, document.fileName, 'the recipe lost the focus');

    const panel = await until('the panel', () => app.panels.open.get(`run:${id}`));
    await until('points on the page', () => (panel.page.channel.sent.points ?? 0) > 0 && panel.page.channel.drawn > 2);
    const row = drawn(app)[id];
    assert.match(row ?? '', /support-tone · replay \| step \d+ of 60 \| run\.running/);

    const ended = await runWith(app, id, ({ status }) => status === 'finished');
    assert(ended.verdict, 'no verdict');
    assert.equal(ended.step, 60);
    assert.equal(drawn(app)[id]?.split(' | ')[2], 'run.finished');
    const checkpoints = app.view.tree.getChildren({ kind: 'run', id });
    assert(
      checkpoints.length > 0 && checkpoints.every(({ kind }) => kind === 'checkpoint'),
      'no checkpoints below the run',
    );
  });

  test('the last result stands at the end of the lens line and at the ends of the recipe’s lines', async () => {
    const document = await openExample('support-tone');
    await until('the last result', async () =>
      (await lensesOf(document)).some(({ command }) => /replay: (kept|forgot|cannot tell)/.test(command?.title ?? '')),
    );
    const lines = document.getText().split('\n');
    const shown = await until('inline metrics', () => app.inlineMetrics.shown.size >= 3 && app.inlineMetrics.shown);
    assert.match(shown.get(lines.findIndex(text => text.startsWith('train:'))) ?? '', /^[▁▂▃▄▅▆▇█ ]+ \d/);
    assert.match(
      shown.get(lines.findIndex(text => text.includes('general:'))) ?? '',
      /[+−]?\d.* (kept|forgot|cannot tell)$/,
    );
  });

  test('a second start waits visibly in the queue and then runs', async () => {
    useFakeTrainer({ steps: 60, rate: 40 });
    const { uri } = await openExample('support-tone');
    const first = await vscode.commands.executeCommand<string>('holdfast.startPlain', uri);
    const second = await vscode.commands.executeCommand<string>('holdfast.startNarrow', uri);
    await runWith(app, second, ({ status }) => status === 'queued');
    assert.match(drawn(app)[second] ?? '', /narrow \| queued.* \| run\.queued/);
    await runWith(app, first, ({ status }) => status === 'finished');
    await runWith(app, second, ({ status }) => status === 'finished');
  });

  test('stop ends a run, keeps what it has and says so', async () => {
    useFakeTrainer({ steps: 5000, rate: 100 });
    const { uri } = await openExample('order-code');
    const id = await vscode.commands.executeCommand<string>('holdfast.start', uri);
    await runWith(app, id, ({ status, step }) => status === 'running' && step > 5);
    await vscode.commands.executeCommand('holdfast.stop', id);
    const run = await runWith(app, id, ({ status }) => status === 'stopped');
    assert(run.step < 5000);
  });

  test('a run that fails says why in its row', async () => {
    useFakeTrainer({ failed: { code: 'out-of-memory', message: 'not enough memory for 8 rows' } });
    const { uri } = await openExample('order-code');
    const id = await vscode.commands.executeCommand<string>('holdfast.start', uri);
    const run = await runWith(app, id, ({ status }) => status === 'failed');
    assert.match(run.reason, /not enough memory for 8 rows/);
    assert.match(drawn(app)[id] ?? '', /failed: not enough memory/);
  });

  test('compare queues plain, the methods and the strong baseline, and opens one panel for all', async () => {
    useFakeTrainer({ steps: 10, rate: 0 });
    const { uri } = await openExample('support-tone');
    const ids = await vscode.commands.executeCommand<string[]>('holdfast.compare', uri);
    const variants = ids.map(id => app.model.get(id)?.variant);
    assert.deepEqual(variants.slice(0, 5), ['plain', 'plain-third-rate', 'replay', 'regularized', 'narrow']);
    const panel = await until('the compare panel', () => app.panels.open.get(`compare:${ids.toSorted().join(',')}`));
    for (const id of ids) await runWith(app, id, ({ status }) => status === 'finished');
    await until('the compared runs on the page', () => (panel.page.channel.sent.state ?? 0) > 1);
  });

  test('check shows the first batch without making a run', async () => {
    useFakeTrainer({});
    const before = app.model.runs.length;
    const { uri } = await openExample('support-tone');
    await vscode.commands.executeCommand('holdfast.check', uri);
    const panel = await until('the check panel', () => app.panels.open.get(`check:${uri.fsPath}`));
    await until('the first batch', async () => {
      const state = await (
        panel as unknown as { state(): Promise<{ busy: boolean; check: { firstBatch: unknown } }> }
      ).state();
      return !state.busy && state.check.firstBatch;
    });
    await app.model.refresh();
    assert.equal(app.model.runs.length, before);
  });
});
