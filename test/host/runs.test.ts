import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { App } from '../../src/host/app.ts';
import type { RunsNode } from '../../src/host/runs/runsTree.ts';
import { closeAll, holdfast, lensesOf, openExample, runWith, until, useFakeTrainer } from './support.ts';

/** The tree as it is drawn: labels below each other. */
function drawn({ tree }: Pick<App, 'tree'>, parent?: RunsNode): Record<string, string> {
  const rows: Record<string, string> = {};
  for (const node of tree.getChildren(parent)) {
    const item = tree.getTreeItem(node);
    rows[item.id ?? ''] = `${item.label} | ${item.description} | ${item.contextValue}`;
    if (node.kind === 'group') Object.assign(rows, drawn({ tree }, node));
  }
  return rows;
}

suite('Runs', () => {
  let app: App;
  suiteSetup(async () => {
    app = await holdfast();
  });
  teardown(closeAll);

  test('a started run is in the tree, keeps the focus in the recipe, and its panel draws points as they come', async () => {
    useFakeTrainer({ steps: 100_000, rate: 50 });
    const document = await openExample('support-tone');
    const id = await vscode.commands.executeCommand<string>('holdfast.startReplay', document.uri);
    await runWith(app, id, ({ status, step }) => status === 'running' && step > 0);
    assert.equal(vscode.window.activeTextEditor?.document.fileName, document.fileName, 'the recipe lost the focus');
    assert.match(drawn(app)[id] ?? '', /support-tone · replay \| step \d+ of 100000 \| run\.running/);

    const panel = await until('the panel', () => app.panels.open.get(`run:${id}`));
    const { channel } = panel.page;
    await until('points on the page', () => (channel.sent.points ?? 0) > 1 && channel.drawn > 2);
    await vscode.commands.executeCommand('holdfast.stop', id);
    const stopped = await runWith(app, id, ({ status }) => status === 'stopped');
    assert(stopped.step > 0 && stopped.step < 100_000);
    assert(stopped.verdict, 'what was trained was not judged');
  });

  test('a run that trained to its end has a verdict and its checkpoints below it', async () => {
    useFakeTrainer({ steps: 60, rate: 0 });
    const { uri } = await openExample('support-tone');
    const id = await vscode.commands.executeCommand<string>('holdfast.startReplay', uri);
    const ended = await runWith(app, id, ({ status }) => status === 'finished');
    assert(ended.verdict, 'no verdict');
    assert.equal(ended.step, 60);
    assert.match(drawn(app)[id] ?? '', /^replay \| (kept|forgot|cannot tell).* \| run\.finished\.saved$/);
    const checkpoints = app.tree.getChildren({ kind: 'run', id });
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
    useFakeTrainer({ steps: 2, byVariant: { plain: { waitsBefore: 'first step' } } });
    const { uri } = await openExample('support-tone');
    const first = await vscode.commands.executeCommand<string>('holdfast.startPlain', uri);
    const second = await vscode.commands.executeCommand<string>('holdfast.startNarrow', uri);
    assert.equal(app.model.get(second)?.status, 'queued');
    assert.match(drawn(app)[second] ?? '', /narrow \| queued.* \| run\.queued/);
    await vscode.commands.executeCommand('holdfast.stop', first);
    await runWith(app, first, ({ status }) => status === 'stopped');
    await runWith(app, second, ({ status }) => status === 'finished');
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

  test('rows chosen in the tree are compared', async () => {
    const [first, second] = app.model.runs.filter(({ status }) => status === 'finished');
    assert(first && second);
    const rows = [first, second].map(({ id }) => ({ kind: 'run', id }));
    await vscode.commands.executeCommand('holdfast.compareSelected', rows[0], rows);
    const key = `compare:${[first.id, second.id].toSorted().join(',')}`;
    const panel = await until('the panel', () => app.panels.open.get(key));
    const state = await panel.state();
    assert(state.page === 'compare');
    assert.deepEqual(
      state.comparison.runs.map(({ id }) => id),
      [first.id, second.id],
    );
    assert.notEqual(state.comparison.runs[0]?.colour, state.comparison.runs[1]?.colour);
  });

  test('the recipe of a run opens as it ran, beside the file as it is', async () => {
    const run = app.model.runs.find(({ recipe }) => recipe === 'order-code.tune.yaml');
    assert(run);
    const document = await openExample('order-code');
    const edit = new vscode.WorkspaceEdit();
    edit.insert(document.uri, new vscode.Position(0, 0), '# changed since\n');
    await vscode.workspace.applyEdit(edit);
    await vscode.commands.executeCommand('holdfast.openRunRecipe', run.id);
    const tab = await until('the comparison of texts', () => {
      const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
      return input instanceof vscode.TabInputTextDiff && input;
    });
    const then = await vscode.workspace.openTextDocument(tab.original);
    assert.equal(`# changed since\n${then.getText()}`, document.getText());
    await document.save();
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

  test('a panel comes back after a reload with what its page kept, and draws the whole run', async () => {
    const run = app.model.runs.find(({ status }) => status === 'finished');
    assert(run);
    const panel = vscode.window.createWebviewPanel('holdfast.run', 'before', vscode.ViewColumn.Two);
    await app.panels.restore(panel, { page: 'run', runs: [run.id], view: { smoothing: 'none' } });
    const restored = await until('the panel', () => app.panels.open.get(`run:${run.id}`));
    await until(
      'the run on the page',
      () => (restored.page.channel.sent.buckets ?? 0) > 0 && restored.page.channel.drawn > 1,
    );
    assert.equal(panel.title, `${run.name} · ${run.variant}`);
  });

  test('a panel whose memory is no use is closed', async () => {
    const panel = vscode.window.createWebviewPanel('holdfast.run', 'forged', vscode.ViewColumn.Two);
    let isClosed = false;
    panel.onDidDispose(() => {
      isClosed = true;
    });
    await app.panels.restore(panel, { page: 'run', runs: ['../../etc'], view: {} });
    assert(isClosed);
  });

  test('the metrics view follows the recipe in front', async () => {
    const shown = async () => {
      const state = await app.metrics?.state();
      return state?.page === 'metrics' ? state.run : undefined;
    };
    await openExample('order-code');
    await vscode.commands.executeCommand('holdfast.metrics.focus');
    await until('the run of order-code', async () => (await shown())?.recipe === 'order-code.tune.yaml');
    await openExample('support-tone');
    await until('the run of support-tone', async () => (await shown())?.recipe === 'support-tone.tune.yaml');
    await until('a drawn view', () => (app.metrics?.channel.drawn ?? 0) > 1);
  });

  test('a page may only ask for what is listed, and is told when it may not', async () => {
    const run = app.model.runs.find(({ status }) => status === 'finished');
    assert(run);
    await vscode.commands.executeCommand('holdfast.showRun', run.id);
    const panel = await until('the panel', () => app.panels.open.get(`run:${run.id}`));
    await assert.rejects(panel.command({ type: 'command', command: 'stop', run: 'another-run' }), /does not show/);
  });
});
