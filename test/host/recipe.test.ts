import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { closeAll, diagnosticsOf, holdfast, lensesOf, openExample, openRecipe, until } from './support.ts';

const whole = `name: mistakes
model: holdfast-tiny
data:
  train: data/support.jsonl
retain:
  probes:
    general: { file: data/general.txt, budget: { nats: 0.05 } }
train:
  max_steps: 20
`;

const titles = (lenses: vscode.CodeLens[]) => lenses.map(({ command }) => command?.title.replace(/\$\([^)]*\) ?/g, ''));

async function fixesAt(document: vscode.TextDocument, range: vscode.Range): Promise<vscode.CodeAction[]> {
  const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
    'vscode.executeCodeActionProvider',
    document.uri,
    range,
    vscode.CodeActionKind.QuickFix.value,
  );
  return actions.filter(({ edit }) => edit !== undefined);
}

/** The editor drops a request when it draws anew meanwhile: ask until there is an answer. */
const fixesFor = async (document: vscode.TextDocument, range: vscode.Range) => {
  const fixes = await fixesAt(document, range);
  return fixes.length > 0 && fixes;
};

suite('A recipe in the editor', () => {
  suiteSetup(holdfast);
  teardown(closeAll);

  test('the line on top offers every way to run, in order', async () => {
    const document = await openExample('support-tone');
    const lenses = await until('lenses', async () => {
      const found = await lensesOf(document);
      return found.length > 0 && found;
    });
    assert.deepEqual(titles(lenses).slice(0, 7), [
      'Start Fine-Tune',
      'Plain',
      'Replay',
      'Regularized',
      'Narrow',
      'Compare',
      'Check',
    ]);
    assert(
      lenses.every(({ range }) => range.start.line === 0),
      'a lens lies below the first line',
    );
  });

  test('replay without data reads "needs data…" and its quick fix writes the section', async () => {
    const document = await openRecipe('no-replay', whole);
    const lens = await until('the lens', async () =>
      (await lensesOf(document)).find(({ command }) => /needs data/.test(command?.title ?? '')),
    );
    assert.equal(lens.command?.title, 'Replay: needs data…');
    const fix = await until('the quick fix', async () =>
      (await fixesAt(document, new vscode.Range(0, 0, 0, 0))).find(({ title }) => title === 'Add replay data'),
    );
    await vscode.workspace.applyEdit(fix.edit!);
    assert.match(document.getText(), /\nmethod:\n {2}replay: \{ data: /);
    await until('the plain lens', async () => titles(await lensesOf(document)).includes('Replay'));
  });

  test('a misspelt key is marked where it stands, and the quick fix writes the right one', async () => {
    const document = await openRecipe('misspelt', whole.replace('max_steps', 'max_stpes'));
    const [diagnostic] = await until('a diagnostic', () => {
      const found = diagnosticsOf(document);
      return found.length > 0 && found;
    });
    assert.equal(document.getText(diagnostic!.range), 'max_stpes');
    assert.equal(diagnostic!.severity, vscode.DiagnosticSeverity.Error);
    const [fix] = await until('a quick fix', () => fixesFor(document, diagnostic!.range));
    assert.equal(fix?.title, 'Write "max_steps" instead of "max_stpes"');
    await vscode.workspace.applyEdit(fix!.edit!);
    await until('a clean recipe', () => diagnosticsOf(document).length === 0);
    assert.equal(document.getText(), whole);
  });

  test('a key as another tool spells it moves to where it belongs', async () => {
    const document = await openRecipe(
      'foreign',
      `${whole}num_train_epochs: 3\n`.replace('  max_steps: 20\n', '  seed: 2\n'),
    );
    const [diagnostic] = await until('a diagnostic', () => {
      const found = diagnosticsOf(document);
      return found.length > 0 && found;
    });
    assert.equal(document.getText(diagnostic!.range), 'num_train_epochs');
    const [fix] = await until('a quick fix', () => fixesFor(document, diagnostic!.range));
    assert.equal(fix?.title, 'Move to "train.num_epochs"');
    await vscode.workspace.applyEdit(fix!.edit!);
    await until('a clean recipe', () => diagnosticsOf(document).length === 0);
    assert.match(document.getText(), /train:\n {2}num_epochs: 3\n {2}seed: 2\n$/);
  });

  test('a recipe that watches nothing is warned, and the quick fix adds a section', async () => {
    const text = whole.replace(/retain:[\s\S]*?(?=train:\n)/, '');
    const document = await openRecipe('unwatched', text);
    const diagnostic = await until('a warning', () => diagnosticsOf(document).find(({ code }) => code === 'no-retain'));
    assert.equal(diagnostic.severity, vscode.DiagnosticSeverity.Warning);
    const [fix] = await until('a quick fix', () => fixesFor(document, diagnostic.range));
    assert.match(fix?.title ?? '', /watches/);
    await vscode.workspace.applyEdit(fix!.edit!);
    assert.match(document.getText(), /\nretain: .*\n {2}probes:\n/);
    await until('no warning', () => diagnosticsOf(document).every(({ code }) => code !== 'no-retain'));
  });

  test('a key explains itself: meaning, range and default', async () => {
    const document = await openRecipe('hovered', whole);
    const at = document.positionAt(document.getText().indexOf('max_steps'));
    const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
      'vscode.executeHoverProvider',
      document.uri,
      at,
    );
    const text = hovers
      .flatMap(({ contents }) => contents.map(part => (typeof part === 'string' ? part : part.value)))
      .join('\n');
    assert.match(text, /train\.max_steps/);
    assert.match(text, /Optimizer steps/);
    assert.match(text, /> 0/);
  });

  test('keys and values are completed from the schema', async () => {
    const document = await openRecipe('completed', `${whole}  lr_scheduler: \n  \n`);
    const labels = async (position: vscode.Position) => {
      const list = await vscode.commands.executeCommand<vscode.CompletionList>(
        'vscode.executeCompletionItemProvider',
        document.uri,
        position,
      );
      return list.items.map(({ label }) => (typeof label === 'string' ? label : label.label));
    };
    const line = document
      .getText()
      .split('\n')
      .findIndex(text => text.includes('lr_scheduler'));
    const values = await labels(new vscode.Position(line, '  lr_scheduler: '.length));
    assert(
      ['cosine', 'linear', 'constant'].every(value => values.includes(value)),
      `offered: ${values}`,
    );
    const keys = await labels(new vscode.Position(line + 1, 2));
    assert(keys.includes('learning_rate'), `offered: ${keys}`);
    assert(!keys.includes('max_steps'), 'a key that is there is offered again');
  });

  test('other YAML files are left alone', async () => {
    const other = await vscode.workspace.openTextDocument({ language: 'yaml', content: 'max_stpes: 1\n' });
    assert.deepEqual(diagnosticsOf(other), []);
    assert.deepEqual(await lensesOf(other), []);
  });
});
