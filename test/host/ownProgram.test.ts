import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { App } from '../../src/host/app.ts';
import { closeAll, holdfast, openRecipe, runWith, useFakeTrainer } from './support.ts';

const recipe = `model: holdfast-tiny
data: { train: data/support.jsonl }
command: [python, train.py, --name, a b]
`;

type Ask = (message: string, options: vscode.MessageOptions, ...buttons: string[]) => Promise<string | undefined>;

suite('A program of one’s own', () => {
  let app: App;
  const { showWarningMessage } = vscode.window;
  suiteSetup(async () => {
    app = await holdfast();
  });
  teardown(closeAll);
  teardown(() => Object.assign(vscode.window, { showWarningMessage }));

  /** Stands for the user at the question. */
  function answers(button: string | undefined): { shown: string[] } {
    const shown: string[] = [];
    const ask: Ask = async (message, { modal, detail }) => {
      shown.push(`${modal ? 'modal: ' : ''}${message} ${detail}`);
      return button;
    };
    Object.assign(vscode.window, { showWarningMessage: ask });
    return { shown };
  }

  test('it is shown word for word before it starts, and without a yes nothing starts', async () => {
    useFakeTrainer({ steps: 3, rate: 0 });
    const { uri } = await openRecipe('own-program', recipe);
    const refused = answers(undefined);
    const before = app.model.runs.length;
    assert.equal(await vscode.commands.executeCommand('holdfast.start', uri), undefined);
    assert.match(refused.shown.join(), /^modal: .*python train\.py --name "a b"/s);
    await app.model.refresh();
    assert.equal(app.model.runs.length, before);

    const agreed = answers('Start Program');
    const id = await vscode.commands.executeCommand<string>('holdfast.start', uri);
    assert.equal(agreed.shown.length, 1);
    await runWith(app, id, ({ status }) => status === 'finished');
  });
});
