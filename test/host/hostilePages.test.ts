/**
 * Pages that were taken over: whatever they say, the host runs no command outside of its list, with no argument but runs
 * the page shows, and goes on answering. Also the policy of every page's HTML as the host writes it.
 */
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { uint32At } from '../../src/domain/randomNumbers.ts';
import type { App } from '../../src/host/app.ts';
import { CheckPanel } from '../../src/host/panels/checkPanel.ts';
import { ComparePanel } from '../../src/host/panels/comparePanel.ts';
import { MetricsView } from '../../src/host/panels/metricsView.ts';
import { obeyPage, pageCommands } from '../../src/host/panels/runCommands.ts';
import { RunPanel } from '../../src/host/panels/runPanel.ts';
import { count } from '../counts.ts';
import { closeAll, holdfast, openExample, tell, until, useFakeTrainer } from './support.ts';

const seed = Number(process.env.HOLDFAST_TEST_SEED ?? 20261121);
const messages = count(1000, 10_000);

/** The check page has a recipe instead of runs. */
const allowed: string[] = [...Object.values(pageCommands), 'holdfast.start', 'holdfast.openRecipeAt'];

/** The editor's side of a page: what the page says is what the test says. */
function fakePanel() {
  const said = new vscode.EventEmitter<unknown>();
  const answers: { type: string }[] = [];
  const webview = {
    options: {} as vscode.WebviewOptions,
    html: '',
    cspSource: 'https://*.vscode-cdn.net',
    asWebviewUri: (uri: vscode.Uri) => uri,
    onDidReceiveMessage: said.event,
    postMessage: async (message: { type: string }) => {
      answers.push(message);
      return true;
    },
  };
  const nothing = new vscode.EventEmitter<void>();
  const panel = { webview, title: 'x', reveal() {}, dispose() {}, onDidDispose: nothing.event };
  return {
    panel: panel as unknown as vscode.WebviewPanel & vscode.WebviewView,
    webview,
    answers,
    say: said.fire.bind(said),
  };
}

type Fake = ReturnType<typeof fakePanel>;

suite('Pages that were taken over', () => {
  let app: App;
  let runs: string[];
  suiteSetup(async () => {
    app = await holdfast();
    useFakeTrainer({ steps: 4, rate: 0 });
    const { uri } = await openExample('support-tone');
    runs = [];
    for (const command of ['startPlain', 'startReplay']) {
      const id = await vscode.commands.executeCommand<string>(`holdfast.${command}`, uri);
      await until(`the end of ${id}`, () => app.model.get(id)?.status === 'finished');
      runs.push(id);
    }
  });
  teardown(closeAll);

  const panels: [string, (fake: Fake) => vscode.Disposable][] = [
    ['run', ({ panel }) => new RunPanel(panel, runs[0]!, app.model, app)],
    ['compare', ({ panel }) => new ComparePanel(panel, runs, app.model, app)],
    ['metrics', ({ panel }) => new MetricsView(panel, app.model, app.recipes, app)],
    [
      'check',
      ({ panel }) => {
        const file = vscode.Uri.joinPath(vscode.workspace.workspaceFolders![0]!.uri, 'x.tune.yaml').fsPath;
        return new CheckPanel(panel, { recipe: { file, text: 'model: 1' }, variant: 'plain' }, app.service, app);
      },
    ],
  ];

  test('what pages may ask for is a short list of our own commands, and none that deletes', () => {
    assert(allowed.length < 20);
    for (const command of allowed) assert.match(command, /^holdfast\.(?!delete|empty|clean|import)\w+$/);
  });

  test('a page without a run starts and stops none', async () => {
    for (const command of ['stop', 'start', 'openLog'] as const)
      await assert.rejects(obeyPage({ type: 'command', command }, []), command);
  });

  test('a recipe that the variant cannot be made of is a problem on the page, not a page that never comes', async () => {
    const fake = fakePanel();
    const text = 'model: m\ndata: { train: a.jsonl }\n';
    const panel = new CheckPanel(
      fake.panel,
      { recipe: { file: '/x.tune.yaml', text }, variant: 'replay' },
      app.service,
      app,
    );
    const state = await panel.state();
    assert(state.page === 'check' && !state.busy);
    assert.match(state.check.problems.map(({ message }) => message).join(' '), /replay cannot run: needs data/);
    panel.dispose();
  });

  for (const [name, open] of panels) {
    test(`${name}: ${messages} hostile messages run nothing outside of the list, and the page is still answered`, async () => {
      const fake = fakePanel();
      const shown = open(fake);
      const commands = spyOnCommands();
      const rejected: unknown[] = [];
      const reject = (error: unknown) => rejected.push(error);
      process.on('unhandledRejection', reject);
      try {
        const random = numbersOf(seed);
        for (let index = 0; index < messages; index++) fake.say(hostileMessage(random, runs));
        await new Promise(resolve => setTimeout(resolve, 50));
        fake.answers.length = 0;
        fake.say({ type: 'ready' });
        await until(`an answer (seed ${seed})`, () => fake.answers.some(({ type }) => type === 'state'));
        assert.deepEqual(rejected, [], `seed ${seed}`);
        const strange = commands.ran.filter(([command]) => !allowed.includes(command));
        assert.deepEqual(strange, [], `seed ${seed}`);
        for (const [command, ...given] of commands.ran) checkArguments(command, given, name);
        assert(commands.ran.length > 0 || name === 'check', 'no message was an honest one');
      } finally {
        process.off('unhandledRejection', reject);
        commands.restore();
        shown.dispose();
      }
      const told = `0 of ${commands.ran.length} commands outside of the list of ${allowed.length}, 0 crashes`;
      tell(`C4 ${name}: ${messages} fuzzed messages, seed ${seed}: ${told}`);
    });

    test(`${name}: the policy allows one script by a nonce that is never the same, and nothing of the workspace`, () => {
      const [first, second] = [fakePanel(), fakePanel()];
      for (const fake of [first, second]) open(fake).dispose();
      const { html, options } = first.webview;
      const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? '';
      const directives = new Map(policy.split('; ').map(text => [text.split(' ')[0], text.split(' ').slice(1)]));
      assert.deepEqual(directives.get('default-src'), ["'none'"]);
      const nonces = [...html.matchAll(/nonce="([^"]+)"/g)].map(match => match[1]);
      assert.deepEqual(directives.get('script-src'), [`'nonce-${nonces[0]}'`]);
      assert.equal(new Set(nonces).size, 1);
      assert(nonces[0]!.length >= 20);
      assert(!second.webview.html.includes(nonces[0]!), 'a nonce came twice');
      assert.doesNotMatch(policy, /unsafe|\*(?!\.)|http:|connect-src|frame-src|worker-src/);
      assert.equal(html.match(/<script nonce/g)?.length, 1);
      assert.equal(html.match(/<\/script/g)?.length, 1);
      assert.deepEqual(Object.keys(options).sort(), ['enableScripts', 'localResourceRoots']);
      assert.deepEqual(options.localResourceRoots, [], 'it loads nothing');
    });
  }

  function checkArguments(command: string, given: unknown[], page: string): void {
    const ids = [given[0]].flat().filter(id => id !== undefined && !(id instanceof vscode.Uri));
    const known = page === 'metrics' ? app.model.runs.map(({ id }) => id) : runs;
    // A page may open any run by id; a path or an address is no id.
    const isRun = (id: unknown) => typeof id === 'string' && /^[a-z0-9-]{1,64}$/.test(id);
    assert(ids.every(isRun), `${command} ${JSON.stringify(given)}`);
    if (command !== 'holdfast.showRun')
      assert(
        ids.every(id => known.includes(String(id))),
        JSON.stringify(given),
      );
    assert(
      given.slice(1).every(line => line === undefined || Number.isInteger(line)),
      JSON.stringify(given),
    );
  }
});

/** Commands are noted and not run. */
function spyOnCommands() {
  const ran: [string, ...unknown[]][] = [];
  const { executeCommand } = vscode.commands;
  const replace = (value: unknown) =>
    Object.defineProperty(vscode.commands, 'executeCommand', { value, configurable: true, writable: true });
  replace(async (command: string, ...given: unknown[]) => void ran.push([command, ...given]));
  return { ran, restore: () => replace(executeCommand) };
}

type Random = () => number;

/** In [0, 1). */
function numbersOf(seed: number): Random {
  let drawn = 0;
  return () => uint32At(seed, drawn++) / 2 ** 32;
}

function hostileMessage(random: Random, runs: readonly string[]): unknown {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const text = () =>
    pick([
      ...runs,
      '../../../../etc/passwd',
      '/etc/passwd',
      'file:///etc/passwd',
      'command:workbench.action.terminal.new',
      'workbench.action.terminal.sendSequence',
      'holdfast.emptyTrash',
      'holdfast.deleteRuns',
      'vscode.openFolder',
      '__proto__',
      'constructor',
      'x'.repeat(100_000),
      '\u0000',
      '',
      'a-run-that-is-not-there',
    ]);
  const odd = (): unknown =>
    pick<() => unknown>([
      text,
      text,
      () => random() * 1e9 - 5e8,
      () => pick([0, -1, 1, 1.5, 2 ** 53, -(2 ** 53), Number.NaN, Number.POSITIVE_INFINITY, 1e308]),
      () => pick([null, undefined, true, false]),
      () => [text(), odd()],
      () => ({ [text()]: odd() }),
      () => JSON.parse('{"__proto__":{"polluted":1}}'),
      () => Array.from({ length: 2000 }, () => text()),
      () => new Uint8Array(16),
    ])();
  const commands = ['stop', 'openRecipe', 'revealFolder', 'openLog', 'compareWith', 'openRun', 'start', 'exportReport'];
  const series = () => ({ run: text(), name: text(), columns: odd(), from: odd(), to: odd() });
  const honest: Record<string, unknown> = pick<() => Record<string, unknown>>([
    () => ({ type: 'ready' }),
    () => ({ type: 'ack', seq: Math.floor(random() * 1000) }),
    () => ({ type: 'problem', message: 'x' }),
    () => ({ type: 'command', command: pick(commands), run: pick([...runs, undefined]) }),
    () => ({ type: 'subscribe', request: 1, series: [{ run: runs[0], name: 'loss', columns: 100 }] }),
    () => ({ type: 'subscribe', request: 1, series: Array.from({ length: 5 }, series) }),
    () => ({ type: 'command', command: text(), run: text(), line: odd() }),
  ])();
  if (random() < 0.1) return odd();
  if (random() < 0.3) return honest;
  const keys = ['type', 'command', 'run', 'line', 'seq', 'series', 'request', 'message', 'args', 'path', 'uri', text()];
  for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) honest[pick(keys)] = odd();
  return honest;
}
