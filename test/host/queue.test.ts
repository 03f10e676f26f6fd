import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import * as vscode from 'vscode';
import type { App } from '../../src/host/app.ts';
import { QueueDrag } from '../../src/host/runs/queueDrag.ts';
import type { RunsNode } from '../../src/host/runs/runsTree.ts';
import { closeAll, diagnosticsOf, holdfast, lensesOf, openRecipe, runWith, until, useFakeTrainer } from './support.ts';

const row = (id: string): RunsNode => ({ kind: 'run', id });

/** The rows below Queued, from the top. */
function waiting({ tree }: App): string[] {
  const group = tree.getChildren().find(({ id }) => id === 'queued');
  return group ? tree.getChildren(group).map(({ id }) => id) : [];
}

const queueRow = ({ tree }: App): vscode.TreeItem => tree.getTreeItem({ kind: 'group', id: 'queued' });

async function queueOf(app: App, count: number): Promise<{ running: string; ids: string[] }> {
  useFakeTrainer({ steps: 100_000, rate: 50, byVariant: { narrow: { steps: 2, rate: 0 } } });
  const uri = await exampleUri();
  const running = await vscode.commands.executeCommand<string>('holdfast.startPlain', uri);
  await runWith(app, running, ({ status, step }) => status === 'running' && step > 0);
  const ids: string[] = [];
  for (let run = 0; run < count; run++)
    ids.push(await vscode.commands.executeCommand<string>('holdfast.startNarrow', uri));
  await until('all of them in the tree', () => waiting(app).length === count);
  return { running, ids };
}

async function exampleUri(): Promise<vscode.Uri> {
  const [uri] = await vscode.workspace.findFiles('support-tone.tune.yaml');
  assert(uri);
  return uri;
}

async function end(app: App, running: string, ids: string[]): Promise<void> {
  await vscode.commands.executeCommand('holdfast.stop', running);
  for (const id of [running, ...ids]) await runWith(app, id, ({ status }) => ['stopped', 'finished'].includes(status));
}

suite('The queue', () => {
  let app: App;
  suiteSetup(async () => {
    app = await holdfast();
  });
  teardown(closeAll);

  test('is shown from its head, dragged to another order, and taken in that order', async () => {
    const { running, ids } = await queueOf(app, 4);
    const [a, b, c, d] = ids as [string, string, string, string];
    assert.deepEqual(waiting(app), [a, b, c, d]);
    const drag = new QueueDrag(async () => app);
    const drop = async (rows: string[], target: RunsNode) => {
      const transfer = new vscode.DataTransfer();
      drag.handleDrag(rows.map(row), transfer);
      await drag.handleDrop(target, transfer);
    };
    await drop([d], row(b));
    assert.deepEqual(waiting(app), [a, d, b, c]);
    await drop([a], { kind: 'group', id: 'queued' });
    assert.deepEqual(waiting(app), [d, b, c, a]);
    await drop([c], row(running));
    assert.deepEqual(waiting(app), [c, d, b, a]);
    await drop([running], row(a));
    assert.deepEqual(waiting(app), [c, d, b, a], 'what runs has no place in the queue');
    await vscode.commands.executeCommand('holdfast.runNext', row(a));
    await vscode.commands.executeCommand('holdfast.moveUpInQueue', row(b));
    await vscode.commands.executeCommand('holdfast.moveDownInQueue', row(c));
    assert.deepEqual(waiting(app), [a, b, c, d]);
    await vscode.commands.executeCommand('holdfast.cancelQueued', row(b), [row(b), row(c)]);
    await until('two that are left', () => waiting(app).join() === [a, d].join());
    await end(app, running, [a, d]);
    const started = await Promise.all([a, d].map(async id => (await app.model.get(id)!.folder.process())!.startedAt));
    assert(started[0]! < started[1]!);
  });

  test('another window or a terminal that reorders it is seen', async () => {
    const { running, ids } = await queueOf(app, 2);
    const { runNext } = await import('../../src/runs/queue.ts');
    await runNext(app.model.get(ids[1]!)!.store, [ids[1]!]);
    await until('the new order', () => waiting(app).join() === [ids[1], ids[0]].join());
    await end(app, running, ids);
  });

  test('is held and released, and says why it is held', async () => {
    const { running, ids } = await queueOf(app, 1);
    await vscode.commands.executeCommand('holdfast.holdQueue');
    assert.equal(queueRow(app).description, '1 · held');
    assert.match(String(queueRow(app).tooltip), /Held: held by the user/);
    assert.equal(queueRow(app).contextValue, 'queued.held');
    await vscode.commands.executeCommand('holdfast.stop', running);
    await runWith(app, running, ({ status }) => status === 'stopped');
    assert.equal(app.model.get(ids[0]!)?.status, 'queued');
    await vscode.commands.executeCommand('holdfast.releaseQueue');
    await runWith(app, ids[0]!, ({ status }) => status === 'finished');
  });

  test('says who on another machine holds it up, and what to do', async () => {
    const { running, ids } = await queueOf(app, 1);
    const { runnerLock } = app.model.get(running)!.store;
    const held = await readFile(runnerLock, 'utf8');
    await writeFile(runnerLock, JSON.stringify({ ...JSON.parse(held), host: 'cluster-7', bootId: 'another' }));
    await until('the other machine', () => queueRow(app).description === '1 · on another machine');
    assert.match(
      String(queueRow(app).tooltip),
      /^process \d+ on cluster-7 holds .*; if there is no such machine, remove/,
    );
    await writeFile(runnerLock, held);
    await until('the queue of this machine', () => queueRow(app).description === '1');
    await end(app, running, ids);
  });

  test('waits for the user after an error when it is told to', async () => {
    useFakeTrainer({ steps: 100_000, rate: 50, byVariant: { narrow: { steps: 2, rate: 0 } } });
    const uri = await exampleUri();
    const bad = await vscode.commands.executeCommand<string>('holdfast.startPlain', uri);
    const good = await vscode.commands.executeCommand<string>('holdfast.startNarrow', uri);
    await vscode.commands.executeCommand('holdfast.holdQueueOnError');
    const told: string[] = [];
    const listener = app.queues.onDidHold(id => told.push(id));
    const { trainer } = await until('the trainer', async () => {
      const record = await app.model.get(bad)?.folder.process();
      return record?.trainer && { trainer: record.trainer };
    });
    process.kill(trainer.identity.pid, 'SIGKILL');
    await runWith(app, bad, ({ status }) => status === 'failed');
    await until('a hold', () => queueRow(app).contextValue === 'queued.held.holdsOnError');
    assert.match(String(queueRow(app).tooltip), /Held: .*killed from outside/);
    listener.dispose();
    assert.deepEqual(told, [bad], 'the user is told once');
    await vscode.commands.executeCommand('holdfast.continueQueueOnError');
    await vscode.commands.executeCommand('holdfast.releaseQueue');
    await runWith(app, good, ({ status }) => status === 'finished');
  });

  test('whose runner is killed gets another one; the run it was at is asked for, and goes on with a yes', async () => {
    const { running, ids } = await queueOf(app, 1);
    const { showWarningMessage } = vscode.window;
    const asked: string[] = [];
    const ask = async (text: string, ...buttons: string[]) => {
      asked.push(text);
      return asked.length === 1 ? buttons.find(button => button === 'Resume') : undefined;
    };
    Object.assign(vscode.window, { showWarningMessage: ask });
    try {
      const { runner } = (await app.model.get(running)!.folder.process())!;
      process.kill(runner.identity.pid, 'SIGKILL');
      await until('the question', () => asked.length > 0);
      assert.match(asked[0]!, /was left at step \d+: its runner is gone/);
      await runWith(app, ids[0]!, ({ status }) => status === 'finished');
      await until('attempt 2', async () => (await app.model.get(running)!.folder.process())?.attempt === 2);
      await runWith(app, running, ({ status }) => status === 'running');
      const second = (await app.model.get(running)!.folder.process())!;
      process.kill(second.runner.identity.pid, 'SIGKILL');
      await until('the question for the second attempt', () => asked.length === 2);
    } finally {
      Object.assign(vscode.window, { showWarningMessage });
    }
  });
});

suite('Sweeps and stop rules', () => {
  let app: App;
  suiteSetup(async () => {
    app = await holdfast();
  });
  teardown(closeAll);

  async function example(): Promise<string> {
    return (await vscode.workspace.openTextDocument(await exampleUri())).getText();
  }
  const titles = async (document: vscode.TextDocument) =>
    (await lensesOf(document)).map(({ command }) => command?.title ?? '');

  test('the lens Sweep is there when the recipe has one, behind the others, also while something is misspelt', async () => {
    const text = await example();
    const without = await openRecipe('no-sweep', text);
    const before = await titles(without);
    assert(!before.includes('Sweep'));
    const document = await openRecipe('sweep-lens', `${text}sweep: { train.seed: [1, 2] }\n`);
    const after = await titles(document);
    assert.deepEqual(after.slice(0, before.length - 1), before.slice(0, -1), 'a lens has moved');
    assert.equal(after.at(-2), 'Sweep');
    const edit = new vscode.WorkspaceEdit();
    edit.insert(document.uri, new vscode.Position(document.lineCount, 0), 'trian: 3\n');
    await vscode.workspace.applyEdit(edit);
    await until('the error', () => diagnosticsOf(document).length > 0);
    assert.equal((await titles(document)).at(-2), 'Sweep');
  });

  test('a sweep is queued as one group, named by what differs, and opens one panel', async () => {
    useFakeTrainer({ steps: 4, rate: 0 });
    const document = await openRecipe('sweep-run', `${await example()}sweep: { train.seed: [1, 2, 3] }\n`);
    const ids = await vscode.commands.executeCommand<string[]>('holdfast.sweep', document.uri);
    for (const id of ids) await runWith(app, id, ({ status }) => status === 'finished');
    const runs = ids.map(id => app.model.get(id)!);
    assert.deepEqual(
      runs.map(({ variant }) => variant),
      ['seed=1', 'seed=2', 'seed=3'],
    );
    assert.equal(new Set(runs.map(({ group }) => group)).size, 1);
    assert(app.panels.open.get(`compare:${ids.toSorted().join(',')}`));
  });

  test('below sweep the paths of all keys are completed, with their values', async () => {
    const text = `${await example()}sweep:\n  \n  train.lr_scheduler: \n`;
    const document = await openRecipe('sweep-completion', text);
    const offered = async (line: number, column: number) => {
      const at = new vscode.Position(line, column);
      const list = await vscode.commands.executeCommand<vscode.CompletionList>(
        'vscode.executeCompletionItemProvider',
        document.uri,
        at,
      );
      return list.items.map(({ label }) => (typeof label === 'string' ? label : label.label));
    };
    const keys = await offered(document.lineCount - 3, 2);
    assert(keys.includes('method.regularize.weight') && keys.includes('train.seed'), keys.join());
    assert(!keys.includes('train.lr_scheduler'), 'what is there is not offered twice');
    assert((await offered(document.lineCount - 2, '  train.lr_scheduler: '.length)).includes('cosine'));
    const edit = new vscode.WorkspaceEdit();
    edit.insert(document.uri, new vscode.Position(document.lineCount - 1, 0), 'stop_if:\n  - \n');
    await vscode.workspace.applyEdit(edit);
    assert((await offered(document.lineCount - 2, 4)).includes('loss is nan'));
  });

  test('a bad rule is marked at its word, and the slip in a name is repaired', async () => {
    const document = await openRecipe('bad-rule', `${await example()}stop_if: forgetting.genral > 0.1\n`);
    const [found] = await until('the mark', () => diagnosticsOf(document).length > 0 && diagnosticsOf(document));
    assert.equal(document.getText(found!.range), 'forgetting.genral');
    const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
      'vscode.executeCodeActionProvider',
      document.uri,
      found!.range,
    );
    const fix = actions.find(({ title }) => title === 'Write "forgetting.general" instead of "forgetting.genral"');
    assert(fix?.edit);
    await vscode.workspace.applyEdit(fix.edit);
    await until('no mark', () => diagnosticsOf(document).length === 0);
  });

  test('a run that a rule stopped says so in its row’s reason and on its chart', async () => {
    useFakeTrainer({ steps: 100_000, rate: 100, nonFiniteAtStep: 5 });
    const document = await openRecipe('rule-run', `${await example()}stop_if: loss is nan\n`);
    const id = await vscode.commands.executeCommand<string>('holdfast.startPlain', document.uri);
    const run = await runWith(app, id, ({ status }) => status === 'stopped');
    assert.match(run.reason, /the rule "loss is nan" was broken at step 5/);
    const panel = await until('the panel', () => app.panels.open.get(`run:${id}`));
    const state = await panel.state();
    assert(state.page === 'run');
    assert.deepEqual(
      state.run?.marks.filter(({ kind }) => kind === 'stopRule'),
      [{ step: 5, kind: 'stopRule', text: 'loss is nan' }],
    );
  });
});
