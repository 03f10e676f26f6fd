import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { App } from '../../src/host/app.ts';
import { importFolders } from '../../src/host/commands/manageCommands.ts';
import type { RunPanel } from '../../src/host/panels/runPanel.ts';
import { runItem } from '../../src/host/runs/runRows.ts';
import type { RunEntry } from '../../src/host/runs/runsModel.ts';
import type { RunsNode } from '../../src/host/runs/runsTree.ts';
import { storeOf } from '../../src/runs/store.ts';
import { restoreRun } from '../../src/runs/trash.ts';
import { changeUser } from '../../src/runs/userChoices.ts';
import { manyRuns } from '../reliability/manyRuns.ts';
import { closeAll, holdfast, runWith, until, workspace } from './support.ts';

/** A store of its own, beside the one that other tests use. */
const folder = () => join(workspace(), 'housekeeping');
const recipe = () => join(folder(), 'many-0.tune.yaml');
const group = () => `recipe:${recipe()}`;

async function useRuns(app: App, many: number): Promise<void> {
  rmSync(folder(), { recursive: true, force: true });
  mkdirSync(join(folder(), '.holdfast'), { recursive: true });
  writeFileSync(recipe(), 'model: holdfast-tiny\n');
  manyRuns(storeOf(folder()), many);
  // A recipe that is open makes its store one of the window's.
  await vscode.workspace.openTextDocument(recipe());
  await app.model.refresh();
}

suite('Housekeeping', () => {
  let app: App;
  const store = () => storeOf(folder());
  const ours = () => app.model.runs.filter(run => run.recipeFile === recipe());
  const command = (name: string, ...args: unknown[]) => vscode.commands.executeCommand(`holdfast.${name}`, ...args);
  const newest = () => ours()[0] as RunEntry;
  const when = (id: string, ask: (run: RunEntry) => boolean) => runWith(app, id, ask);
  const below = (id: string) => app.tree.getChildren({ kind: 'group', id } as RunsNode);
  const rows = () => below(group()).map(({ id }) => id);
  const item = (id: string) => app.tree.getTreeItem({ kind: 'run', id });

  suiteSetup(async () => {
    app = await holdfast();
    await useRuns(app, 12);
  });
  suiteTeardown(async () => {
    app.tree.query = '';
    app.tree.showsHidden = false;
    await rm(folder(), { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
    await app.model.refresh();
  });
  teardown(closeAll);

  test('the tooltip of a run says once how it ended', () => {
    const second = (run: Partial<RunEntry>) => {
      const { value } = runItem({ ...newest(), step: 12, verdict: null, ...run }).tooltip as vscode.MarkdownString;
      return value.split('\n')[1]?.replaceAll('\\', '');
    };
    assert.equal(second({ status: 'finished', reason: 'finished', verdict: 'kept' }), 'finished · kept');
    assert.equal(second({ status: 'failed', reason: 'no room' }), 'failed: no room');
    const stopped = 'stopped, and saved at step 12';
    assert.equal(second({ status: 'stopped', reason: stopped }), stopped);
    assert.equal(second({ status: 'stopped', reason: '' }), 'stopped at step 12');
  });

  test('a star puts a run on top of its group and is kept in its folder', async () => {
    const { id, folder } = ours()[5] as RunEntry;
    await command('starRuns', id);
    assert.deepEqual(JSON.parse(readFileSync(folder.userJson, 'utf8')).star, true);
    const starred = ours().filter(({ star }) => star);
    assert(rows().slice(0, starred.length).includes(id));
    assert.match(String(item(id).label), /^★ /);
    assert.match(item(id).contextValue ?? '', /starred/);
    await command('unstarRuns', id);
    assert(!app.model.get(id)?.star);
  });

  test('what another window or a terminal says of a run is seen here within seconds', async () => {
    const { id, folder } = newest();
    await changeUser(store(), [folder], { name: 'told elsewhere', addTags: ['good'], colour: 2 });
    const run = await when(id, ({ name }) => name === 'told elsewhere');
    assert.deepEqual([run.tags, run.colour], [['good'], 2]);
    assert.match(String(item(id).label), /told elsewhere/);
    assert.match(String(item(id).description), /#good/);
    assert.equal(item(id).resourceUri?.query, '2');
  });

  test('one change of one run draws its row or its group again, and never the root', async () => {
    const { folder } = newest();
    const drawn: (string | undefined)[] = [];
    const listener = app.tree.onDidChangeTreeData(node => drawn.push(node?.id));
    assert(app.tree.getChildren().some(({ id }) => id === group()));
    await changeUser(store(), [folder], { addTags: ['redrawn'] });
    await when(newest().id, ({ tags }) => tags.includes('redrawn'));
    await changeUser(store(), [folder], { star: true });
    await when(newest().id, ({ star }) => star);
    listener.dispose();
    assert.deepEqual(drawn, [newest().id, group()]);
  });

  test('hidden runs are out of the list, counted at its end, and back when asked for', async () => {
    const ids = ours()
      .slice(-2)
      .map(({ id }) => id);
    await command('hideRuns', ids);
    assert(!rows().some(id => ids.includes(id)));
    const last = app.tree.getChildren().at(-1);
    assert(last?.kind === 'hidden');
    assert.equal(app.tree.getTreeItem(last).label, '2 hidden runs');
    await command('showHiddenRuns');
    assert(ids.every(id => rows().includes(id)));
    assert.match(String(item(ids[0] ?? '').description), /^hidden/);
    await command('unhideRuns', ids);
    await command('concealHiddenRuns');
    assert(ids.every(id => rows().includes(id)));
  });

  test('notes are a Markdown file that is made when first opened, and found by its words once saved', async () => {
    const { id, folder } = ours()[3] as RunEntry;
    await command('openNotes', id);
    const editor = vscode.window.activeTextEditor;
    assert.equal(editor?.document.fileName, folder.notes);
    await editor?.edit(edit => edit.insert(new vscode.Position(2, 0), 'the zebra was too small'));
    await editor?.document.save();
    await when(id, ({ notes }) => notes.includes('zebra'));
    app.tree.query = 'Zebra small';
    assert.deepEqual(rows(), [id]);
    assert.equal(app.tree.count, 1);
    await command('clearSearch');
    assert.equal(rows().length, ours().length);
  });

  test('a deleted run is in the trash at once, and comes back with all it had', async () => {
    const { id, folder } = ours()[4] as RunEntry;
    await command('deleteRuns', id);
    assert(!app.model.get(id) && !existsSync(folder.folder));
    await restoreRun(store(), id);
    await when(id, ({ status }) => status === 'finished');
    assert(rows().includes(id));
  });

  test('the panel of a deleted run says that it is gone, restores it, and shows it again', async () => {
    const { id } = ours()[3] as RunEntry;
    await command('showRun', id);
    const panel = app.panels.open.get(`run:${id}`) as RunPanel;
    const shown = async () => {
      const state = await panel.state();
      return state.page === 'run' && state.run;
    };
    await until('the run on the page', shown);
    const told = () => panel.page.channel.sent.state ?? 0;
    let before = told();
    await command('deleteRuns', id);
    await until('a page that was told', () => told() > before);
    assert.equal(await shown(), null);
    before = told();
    await panel.command({ type: 'command', command: 'restore' });
    await until('a page that was told again', () => told() > before);
    assert.equal((await until('the run on the page again', shown)).status, 'finished');
  });

  test('an imported folder is listed, told to be foreign, and not started again', async () => {
    const { id, folder } = ours()[6] as RunEntry;
    const copy = mkdtempSync(join(tmpdir(), 'copied-'));
    cpSync(folder.folder, copy, { recursive: true });
    rmSync(folder.folder, { recursive: true });
    await app.model.refresh();
    await importFolders(app, store(), [copy]);
    rmSync(copy, { recursive: true });
    assert.match(item(id).contextValue ?? '', /foreign/);
    const before = app.model.runs.length;
    void command('rerun', id);
    await until('the refusal', () => app.model.runs.length === before);
  });

  test('thousands of runs: cut into months of two hundred rows and more on demand, each answer within 20 ms', async () => {
    await useRuns(app, 3000);
    const times: number[] = [];
    const timed = <T>(ask: () => T): T => {
      const started = performance.now();
      const answer = ask();
      times.push(performance.now() - started);
      return answer;
    };
    const months = timed(() => below(group()));
    assert(months.length >= 2 && months.every(({ kind }) => kind === 'group'));
    for (const month of months) {
      const runs = timed(() => app.tree.getChildren(month));
      assert(runs.length <= 201);
      for (const node of runs) timed(() => app.tree.getTreeItem(node));
    }
    const [month] = months.filter(month => app.tree.getChildren(month).at(-1)?.kind === 'more');
    assert(month);
    await command('showMoreRuns', month.id);
    assert.equal(app.tree.getChildren(month).length, 401);
    const slowest = times.toSorted((a, b) => b - a)[Math.floor(times.length * 0.05)] ?? 0;
    assert(slowest <= 20, `p95 ${slowest} ms`);

    const drawn: (string | undefined)[] = [];
    const listener = app.tree.onDidChangeTreeData(node => drawn.push(node?.id));
    const { id, folder } = newest();
    await changeUser(store(), [folder], { addTags: ['one-of-many'] });
    await when(id, ({ tags }) => tags.includes('one-of-many'));
    listener.dispose();
    assert.deepEqual(drawn, [id]);
    app.tree.query = '#one-of-many';
    assert.equal(app.tree.count, 1);
  });
});
